"""Plain reference of `lookup_viper`: a table of 256 bytes, byte by byte.

``p`` is X, Y (offsets in the arena), N (bytes), and the table, four bytes a word.
"""


def lookup(arena, weights, at, p):
    x, y, n = p[:3]
    for i in range(n):
        u = arena[x + i]
        arena[y + i] = p[3 + (u >> 2)] >> 8 * (u & 3) & 255
