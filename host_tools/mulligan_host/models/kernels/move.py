"""`mulligan.tflite.kernels.move` in NumPy. A box is read whole before it is written, which comes to the same."""

import numpy as np

from mulligan_host.models.kernels.arithmetic import Parameters, bytes_of, places


def move(arena: bytearray, weights: memoryview, at: int, p: Parameters) -> None:
    fill, filled, value, boxes = p[:4]
    bytes_of(arena, fill, (filled,))[:] = value
    whole = np.frombuffer(arena, np.uint8)
    k = 4
    for _ in range(boxes):
        x, y, rank = p[k : k + 3]
        k += 3
        dims = [p[k + 3 * i : k + 3 * i + 3] for i in range(rank)]
        k += 3 * rank
        whole[places(y, [(n, t) for n, _, t in dims])] = whole[places(x, [(n, s) for n, s, _ in dims])]
