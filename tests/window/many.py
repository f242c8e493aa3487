#!/usr/bin/env python3
"""Draws a folder of many small pictures to try the program on: many.py FOLDER [PICTURES] [CLASSES]

Each is a PNG of 64 x 48 pixels, a disc on a shaded ground in its class's colour, no two alike. The same arguments draw the same
pictures. A hundred thousand take about a minute and 500 MB.
"""

import colorsys
import random
import struct
import sys
import zlib
from pathlib import Path

WIDTH, HEIGHT = 64, 48


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture(hue: float, rng: random.Random) -> bytes:
    disc = bytes(int(255 * v) for v in colorsys.hsv_to_rgb(hue, 0.8, rng.uniform(0.5, 1.0)))
    x, y, radius = rng.uniform(16, 48), rng.uniform(12, 36), rng.uniform(6, 14)
    shade, slope = rng.randrange(40, 160), rng.uniform(0.2, 1.8)
    rows = []
    for line in range(HEIGHT):
        ground = bytes([int(shade + slope * line) & 255]) * 3
        half = max(radius**2 - (line - y) ** 2, 0.0) ** 0.5
        left, right = max(int(x - half), 0), min(int(x + half), WIDTH)
        rows.append(b"\0" + ground * left + disc * (right - left) + ground * (WIDTH - right))
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    data = zlib.compress(b"".join(rows), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def main() -> None:
    folder = Path(sys.argv[1])
    pictures = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    classes = int(sys.argv[3]) if len(sys.argv) > 3 else 50
    rng = random.Random(0)
    for n in range(pictures):
        of = n % classes
        place = folder / f"class-{of:02}"
        if n < classes:
            place.mkdir(parents=True, exist_ok=True)
        (place / f"{n // classes:05}.png").write_bytes(picture(of / classes, rng))


main()
