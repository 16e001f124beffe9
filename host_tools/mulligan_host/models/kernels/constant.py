"""`mulligan.tflite.kernels.constant` in NumPy."""

import numpy as np

from mulligan_host.models.kernels.arithmetic import Parameters, bytes_of


def constant(arena: bytearray, weights: memoryview, at: int, p: Parameters) -> None:
    bytes_of(arena, p[0] + at, (len(weights),))[:] = np.frombuffer(weights, np.uint8) ^ p[1]
