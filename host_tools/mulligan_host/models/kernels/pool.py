"""`mulligan.tflite.kernels.pool` in NumPy."""

import numpy as np

from mulligan_host.models.kernels.arithmetic import Parameters, bytes_of, windows


def pool(arena: bytearray, weights: memoryview, at: int, p: Parameters) -> None:
    xo, yo, batch, average, low, high, h, w, c = p[:9]
    oh, ow = p[15:17]
    x = bytes_of(arena, xo, (batch, h, w, c))
    window = tuple(p[9:17])
    if average:
        n = windows(np.ones((1, h, w, 1), np.uint8), window, 0).sum(axis=(4, 5), dtype=np.int64)
        s = windows(x, window, 0).sum(axis=(4, 5), dtype=np.int64) - 128 * n
        y = 128 + np.where(s > 0, (s + n // 2) // n, -((n // 2 - s) // n))
    else:
        y = windows(x, window, 0).max(axis=(4, 5)).astype(np.int64)
    bytes_of(arena, yo, (batch, oh, ow, c))[:] = np.clip(y, low, high)
