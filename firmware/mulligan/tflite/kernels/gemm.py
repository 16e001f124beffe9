"""Plain reference of `gemm_viper`: CONV_2D and FULLY_CONNECTED, pixels times channels of dot products.

With u = x + 128 and w the signed weight, sum((x - zero) * w) = sum(u * w) - (zero + 128) * sum(w); the second term is the same
for every pixel and is folded into the bias when the model is loaded (`channels`). So padding is filled with zero + 128, PAD.

``weights`` are a piece of [count][k] int8; it may begin and end inside a channel. ``p``, behind the eleven words of `int8`:

- ``p[11]`` XO, ``p[12]`` YO: offsets in the arena of input and output; ``p[13]`` K: length of a dot product
- ``p[14]`` PIXELS, of all images; ``p[15]`` BLOCK: as many of them are worked on at a time
- ``p[16]`` SCRATCH: offset in the arena of (``p[17]`` CARRY + BLOCK + BLOCK * channels of a piece) int32s and a BLOCK of patches;
  CARRY is PIXELS where pieces cut channels in two, else 0
- ``p[18:21]`` are the kernel's notes; ``p[21]`` MAPPED: 1 where ``weights`` must not be written to, as there is no copy of them
- ``p[22]`` KIND: PATCHES are the input itself. With WINDOW they are gathered from it, and ``p[23:35]`` are H, W, C, KH, KW, SH,
  SW, PT, PL, OH, OW, PAD: input height, width, depth; window; strides; padding above and left; output height and width. With
  APART there is one, the input, and nothing is folded: ``p[23]`` is where the biases are in the arena, ``p[24]`` zero + 128
"""

import struct

from ..codes import APART, WINDOW
from .int8 import finish

try:
    from operator import mul as _mul
except ImportError:  # MicroPython

    def _mul(a, b):
        return a * b


def patch(arena, pixel, p):
    """The bytes that output ``pixel`` looks at."""
    xo, k = p[11], p[13]
    if p[22] != WINDOW:
        return bytes(memoryview(arena)[xo + pixel * k : xo + pixel * k + k])
    h, w, c, kh, kw, sh, sw, pt, pl, oh, ow, pad = p[23:35]
    xo += pixel // (oh * ow) * h * w * c
    iy = pixel // ow % oh * sh - pt
    ix = pixel % ow * sw - pl
    found = bytearray()
    for y in range(iy, iy + kh):
        for x in range(ix, ix + kw):
            s = xo + (y * w + x) * c
            found += memoryview(arena)[s : s + c] if 0 <= y < h and 0 <= x < w else bytes([pad]) * c
    return bytes(found)


def gemm(arena, weights, at, p):
    count, yo, k, pixels, scratch = p[2], p[12], p[13], p[14], p[16]
    rows = []  # (channel, first element, the weights, + 128)
    end = at + len(weights)
    i = at
    while i < end:
        n = min(k - i % k, end - i)
        rows.append((i // k, i % k, bytes([w ^ 128 for w in memoryview(weights)[i - at : i - at + n]])))
        i += n
    for pixel in range(pixels):
        u = patch(arena, pixel, p)
        if p[22] == APART:
            u = [v - p[24] for v in u]
        s = sum(u) << 7
        done = []
        for c, first, row in rows:
            t = sum(map(_mul, u[first : first + len(row)], row))
            if first:
                t += struct.unpack_from("<I", arena, scratch + 4 * pixel)[0]
            if first + len(row) < k:
                struct.pack_into("<I", arena, scratch + 4 * pixel, t & 0xFFFFFFFF)
            else:
                if p[22] == APART:
                    t += struct.unpack_from("<I", arena, p[23] + 4 * c)[0]
                done.append((c, finish(t - s, c, p)))
        for c, v in done:  # not before: the output may lie over the input
            arena[yo + pixel * count + c] = v
