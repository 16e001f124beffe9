"""Plain reference of `softmax_viper`: SOFTMAX over rows, probabilities in 256ths.

``p[0]`` XO, ``p[1]`` YO: offsets in the arena of input and output; ``p[2]`` ROWS; ``p[3]`` DEPTH of a row; ``p[4:260]``: item d
is exp(-d * scale * beta) in Q0.31 (`ops.softmax.table`).
"""

from .. import fixedpoint


def softmax(arena, weights, at, p):
    xo, yo, rows, depth = p[:4]
    for _ in range(rows):
        top = max([arena[xo + i] for i in range(depth)])
        total = sum([fixedpoint.round_shift(p[4 + top - arena[xo + i]], 12) for i in range(depth)])
        headroom = 0
        while not total & 0x80000000:
            total <<= 1
            headroom += 1
        scale = fixedpoint.reciprocal(total & 0x7FFFFFFF)
        for i in range(depth):
            v = fixedpoint.round_shift(fixedpoint.high_mul(scale, p[4 + top - arena[xo + i]]), 35 - headroom)
            arena[yo + i] = min(255, v)
        xo += depth
        yo += depth
