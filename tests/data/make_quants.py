#!/usr/bin/env python3
"""Writes quants.bin beside this file: 16 blocks of 32 floats, and the results of the
gguf package's quantisers.

Layout: float32[512], then the same as F16, BF16, Q8_0, Q4_0. Needs numpy and gguf.
"""
import pathlib

import numpy as np
from gguf import GGMLQuantizationType as T, quants

rng = np.random.default_rng(7)
x = rng.standard_normal((16, 32)).astype(np.float32)
x[1] = 0                              # a scale of 0
x[2, :] = np.linspace(-1, 1, 32)      # two values of the same largest magnitude: the first counts
x[3] *= np.float32(1e-6)              # scales that are subnormal halves
x[4] *= np.float32(3e4)
x[5, :16] = -x[5, :16]
x[6] = np.round(x[6] * 4) / 4         # ties
x[7, 0] = 127                         # a scale of exactly 1: x.5 rounds away from zero
x[7, 1:] = np.arange(31) - 15.5
out = x.tobytes()
for kind in (T.F16, T.BF16, T.Q8_0, T.Q4_0):
    out += quants.quantize(x.reshape(1, -1), kind).tobytes()
(pathlib.Path(__file__).parent / "quants.bin").write_bytes(out)
