"""What all int8 layers share; the plain reference of `int8_viper`.

- `flip`: int8 to value + 128 and back. ``p`` is (offset in the arena, bytes)
- `sums` and `fold`: what becomes of the biases when a model is loaded (`layers.fold`). ``p`` is the layer's parameters; ``q``:
  index of the biases in ``p``; K weights a channel; the number of channels where they are the weights' last dimension, 0 where
  they are the first; the input's zero point + 128
- `requantise`: accumulators to int8, rounded twice as TFLite-Micro does

The ``p`` of every kernel that ends with `requantise` begins with:

- ``p[0]`` TABLES: index in ``p`` of the tables: each channel's bias; then its multiplier; then its shift + 31, in bytes
- ``p[1]`` EACH: 1 if each channel has a multiplier and a shift, 0 if one serves all; 2 more if the accumulators have the biases
  already, and the tables none
- ``p[2]`` COUNT: channels of the output
- ``p[3]`` ZERO: the output's zero point + 128
- ``p[4]`` LOW, ``p[5]`` HIGH: the fused activation's range, relative to ZERO
- ``p[6]`` ACC: offset in the arena of the accumulators, int32: ``M`` of channel FIRST, ``M`` of the next…
- ``p[7]`` FIRST, ``p[8]`` N: the channels; ``p[9]`` M: the number of pixels
- ``p[10]`` Y: offset in the arena of channel FIRST of the first of these pixels

6 to 10 are set by the kernel, for each block of its work.
"""

import struct

from ..fixedpoint import requantise as rescale
from ..fixedpoint import wrap


def flip(arena, weights, at, p):
    offset, n = p
    for i in range(offset, offset + n):
        arena[i] ^= 128


def sums(p, weights, at, q):
    """Add up each channel's int8 weights where its bias will be. ``weights`` are those from ``at`` on."""
    tables, k, count, _ = q
    for i, w in enumerate(weights):
        i += at
        p[tables + (i % count if count else i // k)] += (w ^ 128) - 128


def fold(p, bias, at, q):
    """Each sum becomes bias - zero * sum, modulo 2**32. ``bias`` is int32s, ``at`` bytes from the first one on."""
    tables, _, _, zero = q
    i = tables + at // 4
    for j in range(len(bias) // 4):
        p[i + j] = wrap(struct.unpack_from("<i", bias, 4 * j)[0] - zero * p[i + j])


def finish(acc, c, p):
    """The output byte of channel ``c`` for an accumulator of any size."""
    tables, each, count, zero, low, high = p[:6]
    scale = tables
    if each < 2:
        acc += p[tables + c]
        scale += count
    each &= 1
    i = c * each
    s = p[scale + (count if each else 1) + i // 4] >> 8 * (i % 4) & 255
    v = rescale(wrap(acc), p[scale + i], s - 31)
    return zero + min(high, max(low, v))


def requantise(arena, weights, at, p):
    count = p[2]
    acc, first, n, m, y = p[6:11]
    for c in range(n):
        for i in range(m):
            arena[y + i * count + c] = finish(struct.unpack_from("<i", arena, acc)[0], first + c, p)
            acc += 4
