"""The kernels in viper: `kernels` says what each one does and promises; this module says how, on bare machine words.

Right on 32-bit words (ESP32, i386) and on 64-bit ones. What that takes:
- an int is one machine word; sums are right modulo 2**32, and the sign is put right once, at the end (``sign``, ``mask``);
- ptr32 sign-extends on 32-bit words and zero-extends on 64-bit ones;
- ``>>`` is arithmetic, so a word that may have its top bit set is masked after it;
- a literal has at most 31 bits: larger ones are put together;
- a 32 x 32 bit product doesn't fit: its high half is put together from 16 x 16 bit products.

The high multiply stands in two functions, written out, because a call between viper functions boxes its integers. Nothing
here allocates. Where the firmware has no native emitter importing this fails, and `interpreter` uses `kernels`.
"""

import micropython


@micropython.viper
def flip(buf: ptr8, offset: int, n: int):
    a = int(buf) + offset
    e = a + n
    while a < e and a & 3:
        ptr8(a)[0] = ptr8(a)[0] ^ 128
        a += 1
    m = 0x8080
    m = m << 16 | m
    while a + 4 <= e:
        ptr32(a)[0] = ptr32(a)[0] ^ m
        a += 4
    while a < e:
        ptr8(a)[0] = ptr8(a)[0] ^ 128
        a += 1


@micropython.viper
def sums(w: ptr8, channels: int, k: int, channel_stride: int, k_stride: int, out: ptr32, first: int):
    c = 0
    while c < channels:
        a = ptr8(int(w) + c * channel_stride)
        e = int(a) + k * k_stride
        s = 0
        while int(a) < e:
            s += (a[0] ^ 128) - 128
            a = ptr8(int(a) + k_stride)
        out[first + c] = out[first + c] + s
        c += 1


@micropython.viper
def fold(totals: ptr32, bias: ptr32, first: int, n: int, zero: int):
    i = 0
    while i < n:
        totals[first + i] = bias[i] - zero * totals[first + i]
        i += 1


@micropython.viper
def gather(x: ptr8, xo: int, h: int, w: int, c: int, kh: int, kw: int, sh: int, sw: int, pt: int, pl: int, ow: int,
           first: int, pixels: int, zero: int, patch: ptr8):  # fmt: skip
    b = patch
    oy = first // ow
    ox = first - oy * ow
    while pixels > 0:
        ix = ox * sw - pl
        # The part of the window's width that is inside: columns before to after.
        before = 0
        if ix < 0:
            before = 0 - ix
        after = kw
        if ix + kw > w:
            after = w - ix
        iy = oy * sh - pt
        y1 = iy + kh
        while iy < y1:
            row = int(b)
            t = row
            e = row + kw * c
            if iy >= 0 and iy < h:
                t = row + before * c
                while int(b) < t:
                    b[0] = zero
                    b = ptr8(int(b) + 1)
                t = row + after * c
                a = ptr8(int(x) + xo + (iy * w + ix + before) * c)
                while int(b) < t:
                    b[0] = a[0]
                    a = ptr8(int(a) + 1)
                    b = ptr8(int(b) + 1)
            while int(b) < e:
                b[0] = zero
                b = ptr8(int(b) + 1)
            iy += 1
        ox += 1
        if ox == ow:
            ox = 0
            oy += 1
        pixels -= 1


@micropython.viper
def dot(x: ptr8, xo: int, stride: int, k: int, w: ptr8, channels: int, acc: ptr32, pixels: int, keep: int):
    d = int(x) + xo
    k8 = k & -8
    while pixels > 0:
        a = ptr8(d)
        e8 = d + k8
        e = d + k
        s = 0
        while int(a) < e8:
            s += a[0] + a[1] + a[2] + a[3] + a[4] + a[5] + a[6] + a[7]
            a = ptr8(int(a) + 8)
        while int(a) < e:
            s += a[0]
            a = ptr8(int(a) + 1)
        s = s << 7
        b = w
        c = 0
        while c < channels:
            t = 0 - s
            if keep:
                t += acc[0]
            a = ptr8(d)
            while int(a) < e8:
                t = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3] + a[4] * b[4] + a[5] * b[5] + a[6] * b[6] + a[7] * b[7] + t  # noqa: E501
                a = ptr8(int(a) + 8)
                b = ptr8(int(b) + 8)
            while int(a) < e:
                t = a[0] * b[0] + t
                a = ptr8(int(a) + 1)
                b = ptr8(int(b) + 1)
            acc[0] = t
            acc = ptr32(int(acc) + 4)
            c += 1
        d += stride
        pixels -= 1


@micropython.viper
def depthwise(x: ptr8, xo: int, h: int, w: int, c: int, kh: int, kw: int, sh: int, sw: int, pt: int, pl: int, ow: int,
              wt: ptr8, wo: int, wstride: int, first: int, channels: int, m: int, row: int, rows: int, zero: int,
              plane: ptr8, acc: ptr32):  # fmt: skip
    # One channel at a time: its part of the input is copied to a padded plane, over which the window then slides.
    k = kh * kw
    pw = (ow - 1) * sw + kw
    ph = (rows - 1) * sh + kh
    a = plane
    e = int(plane) + ph * pw
    while int(a) < e:
        a[0] = zero
        a = ptr8(int(a) + 1)
    # The part of the input that the plane shows: rows y0 to y1, columns x0 to x1.
    top = row * sh - pt
    y0 = top
    if y0 < 0:
        y0 = 0
    y1 = top + ph
    if y1 > h:
        y1 = h
    x1 = pw - pl
    if x1 > w:
        x1 = w
    out = ptr32(int(acc) + 4 * k)
    held = -1
    i = 0
    while i < channels:
        ic = (first + i) // m
        if ic != held:
            held = ic
            y = y0
            while y < y1:
                b = ptr8(int(plane) + (y - top) * pw + pl)
                a = ptr8(int(x) + xo + y * w * c + ic)
                e = int(b) + x1
                while int(b) < e:
                    b[0] = a[0]
                    a = ptr8(int(a) + c)
                    b = ptr8(int(b) + 1)
                y += 1
        t = 0
        a = ptr8(int(wt) + wo + i)
        while t < k:
            acc[t] = (a[0] ^ 128) - 128
            a = ptr8(int(a) + wstride)
            t += 1
        oy = 0
        while oy < rows:
            r = int(plane) + oy * sh * pw
            ox = 0
            while ox < ow:
                a = ptr8(r)
                if k == 9 and kw == 3:
                    s = a[0] * acc[0] + a[1] * acc[1] + a[2] * acc[2]
                    a = ptr8(r + pw)
                    s = a[0] * acc[3] + a[1] * acc[4] + a[2] * acc[5] + s
                    a = ptr8(r + pw + pw)
                    s = a[0] * acc[6] + a[1] * acc[7] + a[2] * acc[8] + s
                else:
                    s = 0
                    tap = acc
                    y = 0
                    while y < kh:
                        e = int(a) + kw
                        while int(a) < e:
                            s = a[0] * tap[0] + s
                            a = ptr8(int(a) + 1)
                            tap = ptr32(int(tap) + 4)
                        a = ptr8(int(a) + pw - kw)
                        y += 1
                out[0] = s
                out = ptr32(int(out) + 4)
                r += sw
                ox += 1
            oy += 1
        i += 1


@micropython.viper
def requantise(acc: ptr32, ao: int, pixels: int, pstride: int, channels: int, cstride: int, bias: ptr32, mult: ptr32,
               shift: ptr8, first: int, mstep: int, zero: int, low: int, high: int, y: ptr8, yo: int, ystride: int):  # fmt: skip
    sign = 1
    sign = sign << 31
    mask = (sign << 1) - 1
    c = 0
    while c < channels:
        f = first + c
        offset = bias[f]
        f = f * mstep
        q = mult[f]
        qh = q >> 16
        q = q & 0xFFFF
        rs = 31 - shift[f]
        ls = 0
        relu = 0
        if rs < 0:
            ls = 0 - rs
            rs = 0
        elif low >= 0:
            relu = 1
        m = (1 << rs) - 1
        half = m >> 1
        a = ptr32(int(acc) + 4 * (ao + c * cstride))
        b = ptr8(int(y) + yo + c)
        p = pixels
        while p > 0:
            v = (((a[0] + offset) & mask) ^ sign) - sign
            if relu and v <= 0:
                v = low
            else:
                if ls:
                    v = (((v << ls) & mask) ^ sign) - sign
                neg = 0
                if v < 0:
                    neg = 1
                    v = 0 - v
                # v * q = (hi * 2**32) + (mid & 0xffff) * 2**16 + (lo & 0xffff), v at most 2**31
                hi = (v >> 16) & 0xFFFF
                v = v & 0xFFFF
                lo = v * q
                mid = hi * q + ((lo >> 16) & 0xFFFF)
                hi = hi * qh + (mid >> 16)
                mid = v * qh + (mid & 0xFFFF)
                v = ((hi + (mid >> 16)) << 1) | ((mid >> 15) & 1)
                # Bit 30 rounds half away from zero, but a negative half only down to it: common.h's nudge.
                if mid & 0x4000:
                    if neg == 0 or (mid & 0x3FFF) | (lo & 0xFFFF):
                        v += 1
                t = half
                if neg:
                    v = 0 - v
                    if v < 0:
                        t += 1
                hi = v & m
                v = v >> rs
                if hi > t:
                    v += 1
                if v < low:
                    v = low
                elif v > high:
                    v = high
            b[0] = v + zero
            a = ptr32(int(a) + 4 * pstride)
            b = ptr8(int(b) + ystride)
            p -= 1
        c += 1


@micropython.viper
def pool(x: ptr8, xo: int, h: int, w: int, c: int, kh: int, kw: int, sh: int, sw: int, pt: int, pl: int, oh: int, ow: int,
         average: int, low: int, high: int, y: ptr8, yo: int):  # fmt: skip
    out = ptr8(int(y) + yo)
    oy = 0
    while oy < oh:
        y0 = oy * sh - pt
        y1 = y0 + kh
        if y0 < 0:
            y0 = 0
        if y1 > h:
            y1 = h
        ox = 0
        while ox < ow:
            x0 = ox * sw - pl
            x1 = x0 + kw
            if x0 < 0:
                x0 = 0
            if x1 > w:
                x1 = w
            n = (y1 - y0) * (x1 - x0)
            j = 0
            while j < c:
                s = 0
                iy = y0
                while iy < y1:
                    a = ptr8(int(x) + xo + (iy * w + x0) * c + j)
                    e = int(a) + (x1 - x0) * c
                    if average:
                        while int(a) < e:
                            s += a[0]
                            a = ptr8(int(a) + c)
                    else:
                        while int(a) < e:
                            if a[0] > s:
                                s = a[0]
                            a = ptr8(int(a) + c)
                    iy += 1
                if average:
                    s = s - (n << 7)
                    if s > 0:
                        s = (s + (n >> 1)) // n + 128
                    else:
                        s = 128 - ((n >> 1) - s) // n
                if s < low:
                    s = low
                if s > high:
                    s = high
                out[0] = s
                out = ptr8(int(out) + 1)
                j += 1
            ox += 1
        oy += 1


@micropython.viper
def softmax(x: ptr8, xo: int, rows: int, depth: int, exps: ptr32, y: ptr8, yo: int):
    a = ptr8(int(x) + xo)
    b = ptr8(int(y) + yo)
    one = 1
    one = one << 30
    while rows > 0:
        top = 0
        i = 0
        while i < depth:
            if a[i] > top:
                top = a[i]
            i += 1
        total = 0
        i = 0
        while i < depth:
            total += (exps[top - a[i]] >> 11) + 1 >> 1
            i += 1
        headroom = 1
        while not total & one:
            total = total << 1
            headroom += 1
        # The reciprocal's three Newton steps (i = -7 to -1, quant.reciprocal) and then the outputs: all products of two words,
        # so that the high multiply stands here once.
        half = (total & (one - 1)) + one
        scale = 0
        t = 0
        i = -7
        while i < depth:
            neg = 0
            if i >= 0:
                u = scale
                v = exps[top - a[i]]
            elif i == -7:
                u = half
                v = 1010580540
            elif i & 1 == 0:
                u = half
                v = scale
            else:
                u = scale
                v = t
                if v < 0:
                    neg = 1
                    v = 0 - v
            uh = u >> 16
            u = u & 0xFFFF
            vh = v >> 16
            v = v & 0xFFFF
            lo = u * v
            mid = uh * v + ((lo >> 16) & 0xFFFF)
            hi = uh * vh + (mid >> 16)
            mid = u * vh + (mid & 0xFFFF)
            r = ((hi + (mid >> 16)) << 1) | ((mid >> 15) & 1)
            if mid & 0x4000:
                # Halves of a negative product are rounded towards zero; the first step's product is one (its v is negated).
                if (neg == 0 and i != -7) or (mid & 0x3FFF) | (lo & 0xFFFF):
                    r += 1
            if i >= 0:
                s = 35 - headroom
                if s > 31:
                    r = 0
                else:
                    r = (r >> (s - 1)) + 1 >> 1
                if r > 255:
                    r = 255
                b[i] = r
            elif i == -7:
                scale = 1010580540 - r
                scale += 505290270
            elif i & 1 == 0:
                t = (1 << 29) - r
            else:
                if neg:
                    r = 0 - r
                scale = scale + (r << 2)
                if i == -1:
                    # Twice that, saturated: a Q2.29 number becomes Q0.31.
                    if scale >= one:
                        scale = one - 1 + one
                    else:
                        scale = scale << 1
            i += 1
        a = ptr8(int(a) + depth)
        b = ptr8(int(b) + depth)
        rows -= 1
