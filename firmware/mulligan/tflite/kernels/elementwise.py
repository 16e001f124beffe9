"""Plain reference of `elementwise_viper`: ADD, SUB and MUL, with broadcasting.

``p``, behind the eleven words of `int8` (EACH 0, COUNT 1):

- ``p[11]`` A, ``p[12]`` B: offsets in the arena of the operands; ``p[13]`` ZA, ``p[14]`` ZB: their zero points + 128
- ``p[15]`` SIGN: 1 for ADD, -1 for SUB, 0 for MUL; ``p[16]`` SIZE: elements of the output; ``p[17]`` BLOCK: at a time
- ``p[18]`` SCRATCH: offset in the arena of (512, unless MUL) + BLOCK int32s
- ``p[19:27]``, ``p[27:35]``: `rescale`'s words for the operands of ADD and SUB, each of whose 256 values is rescaled beforehand
- ``p[35]`` RANK, then RANK times COUNT, ASTEP, BSTEP: the output's dimensions, the outermost first, and the steps in bytes that
  the operands take along them, 0 where one is broadcast
"""

from .int8 import finish
from .rescale import scaled


def elementwise(arena, weights, at, p):
    a, b, za, zb, sign, size = p[11:17]
    dims = [p[36 + 3 * i : 39 + 3 * i] for i in range(p[35])]
    left = 20
    y = p[10]
    for k in range(size):
        i, j, r = a, b, k
        for n, s, t in reversed(dims):
            i += r % n * s
            j += r % n * t
            r //= n
        u, v = arena[i] - za, arena[j] - zb
        s = scaled(u << left, p, 19) + sign * scaled(v << left, p, 27) if sign else u * v
        arena[y + k] = finish(s, 0, p)
