"""Plain reference of `dots_viper`: a matrix of int8 weights times a vector of activations, as accumulators.

``weights`` are a piece of [rows][K] int8, from byte ``at`` on; it may begin and end inside a row. ``p`` is TABLE (index in
``p`` of each row's bias, less what the vector's zero point comes to: `layers.fold`), X (offset in the arena of the vector),
K, ACC (offset of the int32 accumulators).
"""

import struct

from ..fixedpoint import wrap


def dots(arena, weights, at, p):
    table, x, k, acc = p[:4]
    for i, w in enumerate(weights):
        row, col = divmod(at + i, k)
        s = struct.unpack_from("<i", arena, acc + 4 * row)[0] if col else p[table + row]
        struct.pack_into("<i", arena, acc + 4 * row, wrap(s + arena[x + col] * ((w ^ 128) - 128)))
