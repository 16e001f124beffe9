"""`mulligan.tflite.kernels.elementwise` in NumPy."""

import numpy as np

from mulligan_host.models.kernels.arithmetic import Parameters, bytes_of, finish, places, scaled

_LEFT = 20


def elementwise(arena: bytearray, weights: memoryview, at: int, p: Parameters) -> None:
    a, b, za, zb, sign, size = p[11:17]
    dims = [p[36 + 3 * i : 39 + 3 * i] for i in range(p[35])]
    whole = np.frombuffer(arena, np.uint8)
    u = whole[places(a, [(n, s) for n, s, _ in dims])].astype(np.int64) - za
    v = whole[places(b, [(n, t) for n, _, t in dims])].astype(np.int64) - zb
    acc = scaled(u << _LEFT, p, 19) + sign * scaled(v << _LEFT, p, 27) if sign else u * v
    bytes_of(arena, p[10], (size, 1))[:] = finish(acc[:, None], 0, p)
