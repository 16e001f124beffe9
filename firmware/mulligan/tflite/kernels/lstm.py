"""Plain reference of `lstm_viper`: the parts of an LSTM of 8-bit activations and 16-bit cells that are no matrix times vector.

``p``, which both share, is N (units), WORDS (offset in the arena of 6 * N int32s: the two products of a gate, then the gates:
forget, input, cell, output), CELL (offset of the N int16 cell states), HIDDEN (of the N int8 hidden states), OUT (of the
output), CLIP (limit of a cell's magnitude), MULT, SHIFT (what makes a cell state the input of tanh, see `squash`), TABLE (index
in ``p`` of the 256 16-bit items of `ops.sigmoid`'s table), and then 11 times `rescale`'s eight words: the products of the
gates, from input and from hidden state, forget, input, cell, output; forget gate times cell; input gate times cell gate; output
gate times tanh of the cell, which becomes an activation.

Source: tensorflow/lite/micro/kernels/lstm_eval.h, and integer_ops/logistic.h and tanh.h, the int16 functions.
"""

import struct

from .rescale import scaled

_RESCALES = 9


def squash(v, mult, shift, tanh, p):
    """Logistic or tanh of v * ``mult`` / 2**``shift``, by a table and linear interpolation; in steps of 2**-15."""
    bits = 8 if tanh else 9
    v = v * mult + ((1 << shift) >> 1) >> shift
    h = abs(v) >> bits
    if h >= 255:
        r = 65535 << 8 if tanh else 32767 << 10
    else:
        low, high = [p[p[8] + (i >> 1)] >> 16 * (i & 1) & 0xFFFF for i in (h, h + 1)]
        r = (low << bits) + (abs(v) & (1 << bits) - 1) * (high - low)
    if tanh:
        return (r - 8388480 if v >= 0 else 8388735 - r) >> 8
    return (r + 512 if v >= 0 else 33554943 - r) >> 10


def _int16(v):
    return min(32767, max(-32768, v))


def gate(arena, weights, at, p):
    """Gate number ``at`` from the two products at WORDS."""
    n, words = p[:2]
    for i in range(words, words + 4 * n, 4):
        a, b = [struct.unpack_from("<i", arena, i + 4 * n * j)[0] for j in (0, 1)]
        v = _int16(scaled(a, p, _RESCALES + 16 * at) + scaled(b, p, _RESCALES + 16 * at + 8))
        struct.pack_into("<i", arena, i + 4 * n * (2 + at), squash(v, 3, 0, at == 2, p))


def update(arena, weights, at, p):
    """New cell and hidden states from the gates, and the output."""
    n, words, cell, hidden, out, clip, mult, shift = p[:8]
    for i in range(n):
        f, g, c, o = [struct.unpack_from("<i", arena, words + 4 * (n * (2 + j) + i))[0] for j in range(4)]
        old = struct.unpack_from("<h", arena, cell + 2 * i)[0]
        new = _int16(scaled(f * old, p, _RESCALES + 64) + scaled(g * c, p, _RESCALES + 72))
        new = min(clip, max(-clip, new))
        struct.pack_into("<h", arena, cell + 2 * i, new)
        arena[hidden + i] = arena[out + i] = scaled(squash(new, mult, shift, True, p) * o, p, _RESCALES + 80)
