"""`gemm` in viper. Its rules are in `int8_viper`."""

import micropython

from .int8_viper import requantise


@micropython.viper
def gather(a: ptr8, b: ptr8, t: int, p: ptr32):
    """The patches of p[18] to p[18] + p[9], one after the other, to p[19]."""
    h = p[23]
    w = p[24]
    c = p[25]
    kh = p[26]
    kw = p[27]
    sh = p[28]
    sw = p[29]
    pt = p[30]
    pl = p[31]
    oh = p[32]
    ow = p[33]
    pad = p[34]
    base = int(a)
    b = ptr8(base + p[19])
    x = base + p[11]
    pixels = p[9]
    oy = p[18] // ow
    ox = p[18] - oy * ow
    image = oy // oh
    oy = oy - image * oh
    x += image * h * w * c
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
            e = row + kw * c
            if iy >= 0 and iy < h:
                t = row + before * c
                while int(b) < t:
                    b[0] = pad
                    b = ptr8(int(b) + 1)
                t = row + after * c
                a = ptr8(x + (iy * w + ix + before) * c)
                while int(b) < t:
                    b[0] = a[0]
                    a = ptr8(int(a) + 1)
                    b = ptr8(int(b) + 1)
            while int(b) < e:
                b[0] = pad
                b = ptr8(int(b) + 1)
            iy += 1
        ox += 1
        if ox == ow:
            ox = 0
            oy += 1
            if oy == oh:
                oy = 0
                x += h * w * c
        pixels -= 1


@micropython.viper
def dot(a: ptr8, b: ptr8, t: int, p: ptr32):
    """Accumulate p[9] patches from offset p[19] on by p[20] bytes of weights from byte ``t`` of the layer's on, flipped: here if
    they are MAPPED.
    """
    base = int(a)
    w = int(b)
    end = w + p[20]
    k = p[13]
    m = p[9]
    flip = p[21] << 7
    carry = ptr32(base + p[16])
    acc = ptr32(int(carry) + 4 * p[17])
    sums = acc
    acc = ptr32(int(acc) + 4 * p[15])
    carry = ptr32(int(carry) + 4 * p[18])
    rows = base + p[19]
    at = t % k
    row = rows
    i = 0
    while i < m:
        a = ptr8(row)
        e = row + (k & -8)
        t = 0
        while int(a) < e:
            t = a[0] + a[1] + a[2] + a[3] + a[4] + a[5] + a[6] + a[7] + t
            a = ptr8(int(a) + 8)
        row += k
        while int(a) < row:
            t += a[0]
            a = ptr8(int(a) + 1)
        sums[i] = t << 7
        i += 1
    while w < end:
        n = k - at
        if w + n > end:
            n = end - w
        n8 = n & -8
        row = rows + at
        i = 0
        while i < m:
            t = 0
            if at:
                t = carry[i]
            a = ptr8(row)
            b = ptr8(w)
            e = row + n8
            while flip and int(a) < e:
                t = a[0] * (b[0] ^ 128) + a[1] * (b[1] ^ 128) + a[2] * (b[2] ^ 128) + a[3] * (b[3] ^ 128) + t
                a = ptr8(int(a) + 4)
                b = ptr8(int(b) + 4)
            while int(a) < e:
                t = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3] + a[4] * b[4] + a[5] * b[5] + a[6] * b[6] + a[7] * b[7] + t  # noqa: E501
                a = ptr8(int(a) + 8)
                b = ptr8(int(b) + 8)
            e = row + n
            while int(a) < e:
                t = a[0] * (b[0] ^ flip) + t
                a = ptr8(int(a) + 1)
                b = ptr8(int(b) + 1)
            if at + n == k:
                acc[0] = t - sums[i]
                acc = ptr32(int(acc) + 4)
            else:
                carry[i] = t
            row += k
            i += 1
        w += n
        at = 0


@micropython.viper
def correct(a: ptr8, b: ptr8, s: int, p: ptr32, at: int):
    """Add to what `dot` accumulated by the same weights the biases, at offset p[23], and what is folded into those of ``p``."""
    base = int(a)
    k = p[13]
    zero = p[24]
    flip = p[21] << 7
    flips = flip << 8 | flip
    flips = flips << 16 | flips
    lanes = 0xFF00FF
    carry = ptr32(base + p[16])
    acc = ptr32(int(carry) + 4 * (p[17] + 1))
    bias = ptr32(base + p[23] + 4 * (at // k))
    more = k * zero << 7
    at = at % k
    left = p[20]
    while left:
        n = k - at
        if n > left:
            n = left
        e = int(b) + n
        s = 0
        while int(b) < e and int(b) & 3:
            s += b[0] ^ flip
            b = ptr8(int(b) + 1)
        while int(b) + 4 <= e:
            # Four bytes at a time, in two lanes of 16 bits, which hold the sums of 2 * 128 bytes.
            a = ptr8(e & -4)
            if int(b) + 512 < e:
                a = ptr8(int(b) + 512)
            t = 0
            while int(b) < int(a):
                s4 = ptr32(b)[0] ^ flips
                t += (s4 & lanes) + ((s4 >> 8) & lanes)
                b = ptr8(int(b) + 4)
            s += (t & 0xFFFF) + ((t >> 16) & 0xFFFF)
        while int(b) < e:
            s += b[0] ^ flip
            b = ptr8(int(b) + 1)
        if at + n == k:
            acc[0] = acc[0] - zero * s + more + bias[0]
            acc = ptr32(int(acc) + 4)
            bias = ptr32(int(bias) + 4)
        else:
            carry[0] = carry[0] - zero * s
        left -= n
        at = 0


@micropython.viper
def gemm(arena, weights, at: int, p):
    q = ptr32(p)
    n = int(len(weights))  # noqa: RUF046  viper's cast from an object
    k = q[13]
    # flip, all at once, what is a copy
    a = int(ptr8(weights))
    e = a + n
    if q[21]:
        e = a
    m = 0x8080
    m = m << 16 | m
    while a + 4 <= e:
        ptr32(a)[0] = ptr32(a)[0] ^ m
        a += 4
    while a < e:
        ptr8(a)[0] = ptr8(a)[0] ^ 128
        a += 1
    first = at // k
    q[7] = first
    q[8] = (at + n) // k - first
    q[20] = n
    q[6] = q[16] + 4 * (q[17] + q[15])
    patches = q[6] + 4 * q[15] * (n // k + 1)
    pixel = 0
    while pixel < q[14]:
        m = q[14] - pixel
        if m > q[15]:
            m = q[15]
        q[9] = m
        q[18] = pixel
        if q[22] == 1:
            q[19] = patches
            gather(arena, weights, 0, p)
        else:
            q[19] = q[11] + pixel * k
        dot(arena, weights, at, p)
        if q[22] == 2:
            correct(arena, weights, 0, p, at)
        q[10] = q[12] + pixel * q[2] + first
        requantise(arena, 0, 0, p)
        pixel += m
