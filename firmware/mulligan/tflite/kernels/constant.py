"""Plain reference of `constant_viper`: a piece of a constant becomes an activation, XOR 128.

``weights`` is the piece from byte ``at`` of the constant on; ``p`` is (the constant's offset in the arena, the XOR: 128 or 0).
"""


def constant(arena, weights, at, p):
    at += p[0]
    for i in range(len(weights)):
        arena[at + i] = weights[i] ^ p[1]
