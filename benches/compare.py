#!/usr/bin/env python3
"""Headstart and its peers on the same machine, one after the other in each round; prints the median ratios as a table.

    benches/compare.py --peer-python PYTHON [--arch NAME]... [--rounds 5]
    benches/compare.py --peer-python PYTHON --card

PYTHON is an interpreter with torch, torchvision, timm, onnx and onnxruntime. The program is `target/release/headstart-cli`.
With --card both work on the NVIDIA card, in bf16 (PyTorch's autocast), 128 pictures at a time; the program is one built with
`cuda`, and ONNX Runtime is left out.
A ratio is our time over the peer's in the same round: below 1 is faster. Ratios are taken within a round because a machine's
speed drifts by tens of per cent; absolute times are not comparable between runs.
"""
import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Batch, and the goals: frozen forward against the best peer, training step against PyTorch.
NETWORKS = {
    "resnet18": (16, 0.75, 0.80),
    "resnet50": (16, 0.95, 0.85),
    "vgg16": (8, 0.65, 0.75),
    "mobilenet_v2": (16, 1.00, 0.80),
    "mobilenet_v3_small": (16, 1.00, 0.85),
    "efficientnet_b0": (16, 1.00, 0.85),
    "convnext_tiny": (8, 1.00, 1.00),
    "vit_small": (8, 1.00, 1.00),
}
# The same on a card.
CARD_NETWORKS = {"resnet50": (128, 0.90, 1.00), "mobilenet_v2": (128, 0.90, 1.00), "vit_small": (128, 0.90, 1.00)}
# A card's first rounds choose algorithms.
CARD_WARM_UP = 10
# ONNX Runtime is no yardstick for these: it is slower than PyTorch there, and the goal names PyTorch alone.
TORCH_ONLY = {"convnext_tiny", "vit_small"}


def measure(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def goals(arch, a):
    return CARD_NETWORKS.get(arch, (128, None, None)) if a.card else NETWORKS.get(arch, (16, None, None))


def rounds_of(arch, a):
    batch = goals(arch, a)[0]
    common = ["--arch", arch, "--batch", batch, "--runs", a.runs]
    if a.card:
        common += ["--warm-up", CARD_WARM_UP, "--device", "cuda", "--bf16"]
    for _ in range(a.rounds):
        ours = measure([a.program, "bench", "speed", *common])
        torch = measure([a.peer_python, HERE / "peers.py", "torch", *common])
        best = torch["forward_ms_per_image"]
        if arch not in TORCH_ONLY and not a.card:
            best = min(best, measure([a.peer_python, HERE / "peers.py", "runtime", *common])["forward_ms_per_image"])
        yield {
            "forward": ours["forward_ms_per_image"] / best,
            "train": ours["train_ms_per_image"] / torch["train_ms_per_image"],
            "memory": ours["peak_rss_mib"] / torch["peak_rss_mib"],
            "ours": (ours["forward_ms_per_image"], ours["train_ms_per_image"], ours["peak_rss_mib"]),
            "peer": (best, torch["train_ms_per_image"], torch["peak_rss_mib"]),
        }


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--peer-python", required=True)
    p.add_argument("--program", default=HERE.parent / "target/release/headstart-cli")
    p.add_argument("--arch", action="append")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--runs", type=int, help="3; 30 with --card")
    p.add_argument("--card", action="store_true", help="on the NVIDIA card, in bf16, 128 pictures at a time")
    a = p.parse_args()
    a.runs = a.runs or (30 if a.card else 3)
    print("| network | forward, ours / best peer | goal | training step, ours / PyTorch | goal | peak memory, ours / PyTorch |"
          " ms a picture, ours (peer): forward; step |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for arch in a.arch or (CARD_NETWORKS if a.card else NETWORKS):
        rounds = list(rounds_of(arch, a))
        _, forward_goal, train_goal = goals(arch, a)
        median = lambda key: statistics.median(r[key] for r in rounds)
        spread = lambda key: f"{min(r[key] for r in rounds):.2f} to {max(r[key] for r in rounds):.2f}"
        times = [statistics.median(r[who][i] for r in rounds) for i in (0, 1) for who in ("ours", "peer")]
        print(f"| {arch} | {median('forward'):.2f} ({spread('forward')}) | {forward_goal or ''} "
              f"| {median('train'):.2f} ({spread('train')}) | {train_goal or ''} | {median('memory'):.2f} "
              f"| {times[0]:.3g} ({times[1]:.3g}); {times[2]:.3g} ({times[3]:.3g}) |", flush=True)


main()
