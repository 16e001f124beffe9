"""`mulligan.tflite.kernels.softmax` in NumPy."""

import numpy as np

from mulligan.tflite import fixedpoint
from mulligan_host.models.kernels.arithmetic import Parameters, bytes_of, high_mul, round_shift


def softmax(arena: bytearray, weights: memoryview, at: int, p: Parameters) -> None:
    xo, yo, rows, depth = p[:4]
    exps = np.frombuffer(p, np.int32)[4:260].astype(np.int64)
    x = bytes_of(arena, xo, (rows, depth)).astype(np.int64)
    e = exps[x.max(axis=1, keepdims=True) - x]
    y = bytes_of(arena, yo, (rows, depth))
    for row, total in enumerate(round_shift(e, 12).sum(axis=1).tolist()):
        headroom = 32 - total.bit_length()
        scale = fixedpoint.reciprocal(total << headroom & 0x7FFFFFFF)
        y[row] = np.minimum(255, round_shift(high_mul(e[row], scale), 35 - headroom))
