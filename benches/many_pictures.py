#!/usr/bin/env python3
"""A folder of many small JPEG pictures in ten classes, to try large data sets with. Needs numpy and Pillow.

    many_pictures.py DIR [--count 100000] [--side 64]

Each picture is different: coloured stripes whose direction is the class, and noise.
"""
import argparse
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = 10


def picture(rng, label, side):
    y, x = np.mgrid[0:side, 0:side] / side
    angle = np.pi * label / CLASSES
    wave = np.sin(2 * np.pi * (4 * (x * np.cos(angle) + y * np.sin(angle)) + rng.random()))
    colour = rng.uniform(40, 120, 3)
    pixels = 128 + wave[..., None] * colour + rng.normal(0, 12, (side, side, 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("dir", type=Path)
    p.add_argument("--count", type=int, default=100_000)
    p.add_argument("--side", type=int, default=64)
    a = p.parse_args()
    rng = np.random.default_rng(0)
    for label in range(CLASSES):
        folder = a.dir / f"stripes_{label}"
        folder.mkdir(parents=True)
        for i in range(label, a.count, CLASSES):
            picture(rng, label, a.side).save(folder / f"{i:06}.jpg", quality=85)


main()
