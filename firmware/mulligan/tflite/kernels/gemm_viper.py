"""`gemm` in viper. Its rules are in `int8_viper`."""

import micropython

from .int8_viper import requantise


@micropython.viper
def gather(a: ptr8, b: ptr8, t: int, p: ptr32):
    """The patches of p[31] to p[31] + p[9], one after the other, to p[32]."""
    h = p[19]
    w = p[20]
    c = p[21]
    kh = p[22]
    kw = p[23]
    sh = p[24]
    sw = p[25]
    pt = p[26]
    pl = p[27]
    oh = p[28]
    ow = p[29]
    pad = p[30]
    base = int(a)
    b = ptr8(base + p[32])
    x = base + p[11]
    pixels = p[9]
    oy = p[31] // ow
    ox = p[31] - oy * ow
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
    """Accumulate p[9] patches from offset p[32] on by p[33] bytes of weights from byte ``t`` of the layer's on, flipped: here if
    they are MAPPED.
    """
    base = int(a)
    w = int(b)
    end = w + p[33]
    k = p[13]
    m = p[9]
    flip = p[34] << 7
    carry = ptr32(base + p[16])
    acc = ptr32(int(carry) + 4 * p[17])
    sums = acc
    acc = ptr32(int(acc) + 4 * p[15])
    carry = ptr32(int(carry) + 4 * p[31])
    rows = base + p[32]
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
def gemm(arena, weights, at: int, p):
    q = ptr32(p)
    n = int(len(weights))  # noqa: RUF046  viper's cast from an object
    k = q[13]
    # flip, all at once, what is a copy
    a = int(ptr8(weights))
    e = a + n
    if q[34]:
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
    q[33] = n
    q[6] = q[16] + 4 * (q[17] + q[15])
    patches = q[6] + 4 * q[15] * (n // k + 1)
    pixel = 0
    while pixel < q[14]:
        m = q[14] - pixel
        if m > q[15]:
            m = q[15]
        q[9] = m
        q[31] = pixel
        if q[18]:
            q[32] = patches
            gather(arena, weights, 0, p)
        else:
            q[32] = q[11] + pixel * k
        dot(arena, weights, at, p)
        q[10] = q[12] + pixel * q[2] + first
        requantise(arena, 0, 0, p)
        pixel += m
