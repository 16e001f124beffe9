"""Plain reference of `depthwise_viper`: DEPTHWISE_CONV_2D.

``weights`` are the whole [kh * kw][count] int8, as in the file. ``p``, behind the eleven words of `int8`:

- ``p[11]`` XO, ``p[12]`` YO: offsets in the arena of input and output; ``p[13]`` K: kh * kw
- ``p[14]`` BATCH: images; ``p[15]`` SCRATCH: offset in the arena of K int32s, then the accumulators, then a plane
- ``p[16]`` STRIP: output rows whose input lies in a plane; ``p[17]`` ROWS, ``p[18]`` BLOCK: output rows and channels of a block
- ``p[19:31]`` as in `gemm`: H, W, C, KH, KW, SH, SW, PT, PL, OH, OW, PAD
- ``p[31]`` MULTIPLIER: output channels of an input channel; ``p[32:37]`` are the kernel's notes

The output may lie over the input where MULTIPLIER is 1, STRIP is OH, a multiple of C from its start.
"""

from .int8 import finish


def depthwise(arena, weights, at, p):
    count, xo, yo, k, batch = p[2], p[11], p[12], p[13], p[14]
    h, w, c, kh, kw, sh, sw, pt, pl, oh, ow, pad, m = p[19:32]
    for _ in range(batch):
        for channel in range(count):
            plane = bytes([arena[i] for i in range(xo + channel // m, xo + h * w * c, c)])
            taps = [(weights[t * count + channel] ^ 128) - 128 for t in range(k)]
            y = yo + channel
            for iy in range(-pt, oh * sh - pt, sh):
                for ix in range(-pl, ow * sw - pl, sw):
                    acc = t = 0
                    for i in range(iy, iy + kh):
                        for j in range(ix, ix + kw):
                            acc += (plane[i * w + j] if 0 <= i < h and 0 <= j < w else pad) * taps[t]
                            t += 1
                    arena[y] = finish(acc, channel, p)
                    y += count
        xo += h * w * c
        yo += oh * ow * count
