#!/usr/bin/env python3
"""One measurement of a peer, as one JSON line with the keys of `headstart-cli bench speed`.

    peers.py torch   --arch resnet18 --batch 16   PyTorch: forward pass (inference_mode) and training step, each in the better
                                                  of its two memory layouts; on a card, --device cuda, with --bf16 under autocast
    peers.py runtime --arch resnet18 --batch 16   ONNX Runtime: forward pass of the same network
    peers.py decode  --data DIR                   Pillow and torchvision: pictures to network inputs, a thread for each core

Needs torch, torchvision, timm, onnx and onnxruntime. Networks are torchvision's, and timm's where torchvision has none.
"""
import argparse
import io
import json
import resource
import time
import warnings
from pathlib import Path

import torch
from torch import nn

TIMM = {name: f"{name}_patch16_224" for name in ("vit_tiny", "vit_small", "vit_base")}


def network(arch):
    if arch in TIMM:
        import timm

        return timm.create_model(TIMM[arch])
    import torchvision

    return getattr(torchvision.models, arch)()


def median_ms(work, runs, warm_up=1):
    for _ in range(warm_up):
        work()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1e3)
    return sorted(times)[len(times) // 2]


def torch_speed(a):
    forwards, steps = {}, {}
    device = torch.device(a.device)
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    short = torch.autocast(device.type, torch.bfloat16, enabled=a.bf16)
    torch.backends.cudnn.benchmark = True
    for layout, form in (("nchw", torch.contiguous_format), ("nhwc", torch.channels_last)):
        model = network(a.arch).to(device, memory_format=form)
        x = torch.randn(a.batch, 3, 224, 224).to(device, memory_format=form)
        y = torch.arange(a.batch, device=device) % 10
        model.eval()

        def forward():
            with torch.inference_mode(), short:
                model(x)
            wait()

        forwards[layout] = median_ms(forward, a.runs, a.warm_up)
        if a.forward_only:
            continue
        model.train()
        optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)

        def step():
            optimizer.zero_grad(set_to_none=True)
            with short:
                loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            wait()

        steps[layout] = median_ms(step, a.runs, a.warm_up)
        del optimizer
        model.zero_grad(set_to_none=True)
    return {
        "forward_ms_per_image": min(forwards.values()) / a.batch,
        "train_ms_per_image": min(steps.values()) / a.batch if steps else None,
    }


def runtime(a):
    import onnxruntime

    warnings.filterwarnings("ignore")
    x = torch.randn(a.batch, 3, 224, 224)
    file = io.BytesIO()
    torch.onnx.export(network(a.arch).eval(), (x,), file, dynamo=False, opset_version=17)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = a.threads
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: x.numpy()}
    return {"forward_ms_per_image": median_ms(lambda: session.run(None, feed), a.runs) / a.batch}


def decode(a):
    from concurrent.futures import ThreadPoolExecutor

    from PIL import Image
    from torchvision import transforms

    view = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    paths = [p for p in sorted(a.data.rglob("*")) if p.suffix.lower() in {".jpg", ".jpeg", ".png"}]
    torch.set_num_threads(1)  # The pictures are spread over the cores instead; Pillow lets go of the interpreter's lock.
    with ThreadPoolExecutor(a.threads) as pool:
        ms = median_ms(lambda: list(pool.map(lambda p: view(Image.open(p).convert("RGB")).shape, paths)), a.runs)
    return {"pictures": len(paths), "ms_per_image": ms / len(paths)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("peer", choices=["torch", "runtime", "decode"])
    p.add_argument("--arch", default="resnet18")
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--warm-up", type=int, default=1)
    p.add_argument("--device", default="cpu")
    p.add_argument("--bf16", action="store_true")
    p.add_argument("--forward-only", action="store_true")
    p.add_argument("--data", type=Path)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    found = {"torch": torch_speed, "runtime": runtime, "decode": decode}[a.peer](a)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"peer": a.peer, "arch": a.arch, "batch": a.batch, **found, "peak_rss_mib": rss}))


main()
