"""Plain reference kernels: what `viper` does, in Python that runs anywhere.

Both modules have the same functions with the same arguments, called by `steps`, and give the same bytes. Nothing is checked
here: `ops` has checked it all.

Activations are held as ``value + 128`` (0 to 255, the int8 with its top bit flipped), because viper reads unsigned bytes.
``x``, ``y`` are the arena, ``xo``, ``yo`` offsets into it. Weights for `dot` are flipped as well; for `depthwise` they are as
in the file. With u = x + 128 and w the signed weight, sum((x - zero) * w) = sum(u * w) - (zero + 128) * sum(w); the second term
is the same for every pixel and is folded into the bias when the model is loaded (`channels`). So padding is filled with
zero + 128, which is the ``zero`` of `gather` and `depthwise`.
"""

import struct

from . import quant

try:
    from operator import mul as _mul
except ImportError:  # MicroPython

    def _mul(a, b):
        return a * b


def flip(buf, offset, n):
    """Flip the top bit of ``n`` bytes: int8 to value + 128 and back."""
    for i in range(offset, offset + n):
        buf[i] ^= 128


def sums(w, channels, k, channel_stride, k_stride, out, first):
    """out[first + c] += the sum of the ``k`` int8 weights of channel c."""
    for c in range(channels):
        s = 0
        for i in range(c * channel_stride, c * channel_stride + k * k_stride, k_stride):
            s += (w[i] ^ 128) - 128
        out[first + c] += s


def fold(totals, bias, first, n, zero):
    """totals[first + i] becomes bias i - zero * totals[first + i], modulo 2**32; ``bias`` is int32s as bytes."""
    for i in range(n):
        b = struct.unpack_from("<i", bias, 4 * i)[0]
        totals[first + i] = quant.wrap(b - zero * totals[first + i])


def gather(x, xo, h, w, c, kh, kw, sh, sw, pt, pl, ow, first, pixels, zero, patch):
    """The patches that output pixels ``first`` and on look at, one after the other, kh * kw * c bytes each."""
    d = 0
    for pixel in range(first, first + pixels):
        iy = pixel // ow * sh - pt
        ix = pixel % ow * sw - pl
        for y in range(iy, iy + kh):
            for i in range(ix, ix + kw):
                inside = 0 <= y < h and 0 <= i < w
                s = xo + (y * w + i) * c
                for j in range(c):
                    patch[d] = x[s + j] if inside else zero
                    d += 1


def dot(x, xo, stride, k, w, channels, acc, pixels, keep):
    """acc[p * channels + c] = (or, with ``keep``, +=) the dot product of pixel p and channel c over ``k`` elements."""
    rows = [bytes(memoryview(w)[c * k : c * k + k]) for c in range(channels)]
    view = memoryview(x)
    o = 0
    for p in range(pixels):
        start = xo + p * stride
        u = bytes(view[start : start + k])
        s = sum(u) << 7
        for row in rows:
            t = sum(map(_mul, u, row)) - s
            acc[o] = acc[o] + t if keep else t
            o += 1


def depthwise(x, xo, h, w, c, kh, kw, sh, sw, pt, pl, ow, wt, wo, wstride, first, channels, m, row, rows, zero, plane, acc):
    """Accumulators of output channels ``first`` and on, over ``rows`` output rows from ``row`` on.

    wt[wo + tap * wstride + i] is the weight of channel first + i; ``m`` the depth multiplier. ``plane`` and the first kh * kw
    words of ``acc`` are scratch (for viper); then come the results, channel by channel, row by row.
    """
    o = kh * kw
    for i in range(channels):
        taps = [(wt[wo + t * wstride + i] ^ 128) - 128 for t in range(kh * kw)]
        xc = xo + (first + i) // m
        for oy in range(row * sh - pt, (row + rows) * sh - pt, sh):
            for ox in range(-pl, ow * sw - pl, sw):
                s = t = 0
                for y in range(oy, oy + kh):
                    for z in range(ox, ox + kw):
                        u = x[xc + (y * w + z) * c] if 0 <= y < h and 0 <= z < w else zero
                        s += u * taps[t]
                        t += 1
                acc[o] = s
                o += 1


def requantise(acc, ao, pixels, pstride, channels, cstride, bias, mult, shift, first, mstep, zero, low, high, y, yo, ystride):
    """y[yo + p * ystride + c] = zero + the accumulator at ao + p * pstride + c * cstride, biased, rescaled, clamped to low..high.

    Channel c has bias[first + c], and mult and shift (stored + 31) at (first + c) * ``mstep``, which is 0 if they are shared.
    ``low`` and ``high`` are relative to ``zero``.
    """
    for c in range(channels):
        b = bias[first + c]
        q = mult[(first + c) * mstep]
        s = shift[(first + c) * mstep] - 31
        for p in range(pixels):
            v = quant.wrap(acc[ao + p * pstride + c * cstride] + b)
            v = low if v <= 0 <= low and s <= 0 else quant.requantise(v, q, s)
            y[yo + p * ystride + c] = zero + min(high, max(low, v))


def pool(x, xo, h, w, c, kh, kw, sh, sw, pt, pl, oh, ow, average, low, high, y, yo):
    """The average (rounded half away from 0) or the maximum of each window's part inside the input, clamped to low..high."""
    for oy in range(oh):
        y0 = max(0, oy * sh - pt)
        y1 = min(h, oy * sh - pt + kh)
        for ox in range(ow):
            x0 = max(0, ox * sw - pl)
            x1 = min(w, ox * sw - pl + kw)
            n = (y1 - y0) * (x1 - x0)
            for j in range(xo, xo + c):
                v = [x[j + (iy * w + ix) * c] for iy in range(y0, y1) for ix in range(x0, x1)]
                if average:
                    s = sum(v) - 128 * n
                    t = 128 + ((s + n // 2) // n if s > 0 else -((n // 2 - s) // n))
                else:
                    t = max(v)
                y[yo] = min(high, max(low, t))
                yo += 1


def softmax(x, xo, rows, depth, exps, y, yo):
    """Softmax over rows of ``depth``; ``exps`` is `quant.exp_table`'s. The outputs are probability * 256, at most 255."""
    for _ in range(rows):
        top = max([x[xo + i] for i in range(depth)])
        total = sum([quant.round_shift(exps[top - x[xo + i]], 12) for i in range(depth)])
        headroom = 0
        while not total & 0x80000000:
            total <<= 1
            headroom += 1
        scale = quant.reciprocal(total & 0x7FFFFFFF)
        for i in range(depth):
            v = quant.round_shift(quant.high_mul(scale, exps[top - x[xo + i]]), 35 - headroom)
            y[yo + i] = min(255, v)
        xo += depth
        yo += depth
