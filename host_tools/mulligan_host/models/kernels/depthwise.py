"""`mulligan.tflite.kernels.depthwise` in NumPy."""

import numpy as np

from mulligan_host.models.kernels.arithmetic import Parameters, bytes_of, finish, windows


def depthwise(arena: bytearray, weights: memoryview, at: int, p: Parameters) -> None:
    count, xo, yo, batch = p[2], p[11], p[12], p[14]
    h, w, c, kh, kw, _, _, _, _, oh, ow, pad, m = p[19:32]
    taps = np.frombuffer(weights, np.int8).reshape(kh, kw, count)
    x = windows(bytes_of(arena, xo, (batch, h, w, c)), tuple(p[22:30]), pad)
    acc = np.zeros((batch, oh, ow, count), np.int64)
    for i in range(kh):
        for j in range(kw):
            acc += np.repeat(x[..., i, j], m, axis=3) * taps[i, j].astype(np.int64)
    bytes_of(arena, yo, (batch, oh, ow, count))[:] = finish(acc, 0, p)
