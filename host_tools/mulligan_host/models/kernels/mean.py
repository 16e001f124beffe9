"""`mulligan.tflite.kernels.mean` in NumPy."""

import numpy as np

from mulligan_host.models.kernels.arithmetic import Parameters, bytes_of, finish, places


def mean(arena: bytearray, weights: memoryview, at: int, p: Parameters) -> None:
    x, size, _, kept, gone = p[11:16]
    dims = [(p[16 + 2 * i], p[17 + 2 * i]) for i in range(kept + gone)]
    at_each = places(x, dims[:kept])[:, None] + places(0, dims[kept:])
    sums = np.frombuffer(arena, np.uint8)[at_each].sum(axis=1, dtype=np.int64)
    bytes_of(arena, p[10], (size, 1))[:] = finish(sums[:, None], 0, p)
