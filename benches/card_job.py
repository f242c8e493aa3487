#!/usr/bin/env python3
"""A whole job on the card beside the processor: how long it takes, and whether it learns the same.

    benches/card_job.py --data DIR --weights FILE [--backbone mobilenet_v2] [--device cuda]

DIR has pictures in train and val, FILE the backbone's published weights. The program is `target/release/headstart-cli`, built for
the card. First the job with the settings that nobody touched: wall time from start to exit, and validation accuracy, the card's
runs between the processor's. Then all stages learn for some epochs, with the same seed, pictures and batches: mean training loss
of each epoch on the processor, on the card in f32 and in bf16, and the processor's with another seed, since that is how far apart
two equally good runs are. With --device cpu the script itself can be tried without a card; the columns then say little.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
JOBS = 3


def train(a, out, *settings, seed=0):
    command = [a.program, "train", "--data", a.data, "--backbone", a.backbone, "--weights", a.weights, "--out", out,
               "--seed", seed, "--progress", "none"]
    command += [part for setting in settings for part in ("--set", setting)]
    began = time.perf_counter()
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return time.perf_counter() - began


def job(a, folder):
    print("| job | wall time, s | validation accuracy |\n|---|---|---|", flush=True)
    for n in range(JOBS):
        for device in dict.fromkeys(["cpu", a.device]):
            out = folder / f"job-{device}-{n}"
            seconds = train(a, out, f"train.device={device}")
            accuracy = json.loads((out / "summary.json").read_text())["val"]["accuracy"]
            print(f"| {device} | {seconds:.2f} | {accuracy:.4f} |", flush=True)


def curves(a, folder):
    runs = {
        "cpu": (["train.device=cpu"], 0),
        f"{a.device}, f32": ([f"train.device={a.device}", "train.precision=f32"], 0),
        f"{a.device}, auto": ([f"train.device={a.device}"], 0),
        "cpu, another seed": (["train.device=cpu"], 1),
    }
    losses = {}
    for name, (settings, seed) in runs.items():
        out = folder / f"curve-{len(losses)}"
        fixed = ["train.mode=full", f"train.epochs={a.epochs}", "train.batch_size=16"]
        train(a, out, *fixed, *settings, seed=seed)
        lines = (out / "metrics.jsonl").read_text().splitlines()
        losses[name] = [json.loads(line)["train_loss"] for line in lines]
    print(f"\n| epoch | {' | '.join(losses)} |\n|---|{'---|' * len(losses)}")
    for epoch, values in enumerate(zip(*losses.values()), start=1):
        cpu = values[0]
        shown = [f"{cpu:.4f}"] + [f"{v:.4f} ({(v / cpu - 1) * 100:+.1f} %)" for v in values[1:]]
        print(f"| {epoch} | {' | '.join(shown)} |")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--weights", type=Path, required=True)
    p.add_argument("--backbone", default="mobilenet_v2")
    p.add_argument("--device", default="cuda")
    p.add_argument("--epochs", type=int, default=5)
    p.add_argument("--program", default=HERE.parent / "target/release/headstart-cli")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        job(a, Path(folder))
        curves(a, Path(folder))


main()
