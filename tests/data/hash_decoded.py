#!/usr/bin/env python3
"""Prints what tests/quant/test_types.c includes as data/decoded.inc: of each format, a hash of 64 blocks as the gguf package decodes them.

The blocks: six that repeat a byte, then splitmix64's, seeded with the type's number. Needs numpy and gguf.
"""
import pathlib
import re

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T, quants

# Types, and the last bytes of their float16 numbers: as decoded.inc has them. A new type gets a line with any hash.
LINE = re.compile(r"\{FATHOM_(\w+), (\d), \{([0-9, ]+)\}, 0x[0-9a-f]+u(, \{.+\})?\}")
LINES = LINE.findall((pathlib.Path(__file__).parent / "decoded.inc").read_text())
HALVES = {T[name]: [int(at) for at in halves.split(",")][:int(n)] for name, n, halves, _ in LINES}
SCALES = {T[name]: scales for name, _, _, scales in LINES}
MASK = (1 << 64) - 1


def decode(blocks, kind):
    if kind != T.Q1_0:
        return quants.dequantize(blocks, kind)
    # the package knows the size alone; ggml's layout is a float16 d and 128 bits, low bit first: d or -d
    d = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    return np.where(np.unpackbits(blocks[:, 2:], axis=1, bitorder="little") != 0, d, -d)


def splitmix(seed):
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        z = ((seed ^ seed >> 30) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
        yield z ^ z >> 31


np.seterr(all="ignore")
for kind, halves in HALVES.items():
    size = GGML_QUANT_SIZES[kind][1]
    random = splitmix(int(kind))
    blocks = [bytes([b]) * size for b in (0x00, 0xFF, 0x80, 0x7F, 0x55, 0xAA)]
    blocks += [bytes(next(random) & 255 for _ in range(size)) for _ in range(58)]
    blocks = np.frombuffer(b"".join(blocks), dtype=np.uint8).reshape(64, size).copy()
    blocks[:, halves] &= 0xBF
    value = 0xCBF29CE484222325
    for byte in decode(blocks, kind).astype(np.float32).tobytes():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    listed = ", ".join(map(str, halves)) or "0"
    print(f"{{FATHOM_{kind.name}, {len(halves)}, {{{listed}}}, 0x{value:016x}u{SCALES[kind]}}},")
