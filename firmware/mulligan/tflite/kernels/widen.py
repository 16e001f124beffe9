"""Plain reference of `widen_viper`: a table of 256 words, byte by byte, as DEQUANTIZE needs.

``p`` is X (offset in the arena of the bytes), Y (of the words), N, and the table.
"""

import struct


def widen(arena, weights, at, p):
    x, y, n = p[:3]
    for i in range(n):
        struct.pack_into("<i", arena, y + 4 * i, p[3 + arena[x + i]])
