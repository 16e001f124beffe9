"""Plain reference of `slide_viper`: convolutions with gaps between the taps (dilation), or in groups of channels.

``weights`` are whole output channels; ``p``, behind the eleven words of `int8`:

- ``p[11]`` XO, ``p[12]`` YO: offsets in the arena of input and output; ``p[13]`` PIXELS of all images; ``p[14]`` BLOCK: of them
  worked on at a time; ``p[15]`` SCRATCH: offset of BLOCK int32s
- ``p[16:28]``: H, W, C, KH, KW, SH, SW, PT, PL, OH, OW, PAD as in `gemm`
- ``p[28]`` DH, ``p[29]`` DW: rows and columns from one tap to the next
- ``p[30]`` DEPTH: input channels that an output channel looks at; ``p[31]`` SHARE: output channels that look at the same ones
- ``p[32]`` CSTEP, ``p[33]`` TSTEP: bytes from a channel's weights to the next one's, and from a tap to the next
"""

from .int8 import finish


def slide(arena, weights, at, p):
    count = p[2]
    xo, yo, pixels = p[11:14]
    h, w, c, kh, kw, sh, sw, pt, pl, oh, ow, pad = p[16:28]
    dh, dw, depth, share, cstep, tstep = p[28:34]
    first = at // (kh * kw * depth)
    for channel in range(first, first + len(weights) // (kh * kw * depth)):
        taps = (channel - first) * cstep
        inside = channel // share * depth
        for pixel in range(pixels):
            x = xo + pixel // (oh * ow) * h * w * c + inside
            iy = pixel // ow % oh * sh - pt
            ix = pixel % ow * sw - pl
            s = 0
            for t in range(kh * kw):
                row, col = iy + t // kw * dh, ix + t % kw * dw
                for i in range(depth):
                    u = arena[x + (row * w + col) * c + i] if 0 <= row < h and 0 <= col < w else pad
                    s += u * ((weights[taps + t * tstep + i] ^ 128) - 128)
            arena[yo + pixel * count + channel] = finish(s, channel, p)
