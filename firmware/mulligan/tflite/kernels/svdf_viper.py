"""`svdf` in viper. Its rules are in `int8_viper`."""

import micropython


@micropython.viper
def advance(a: ptr8, b: ptr8, at: int, p: ptr32):
    acc = ptr32(int(a) + p[5])
    a = ptr8(int(a) + p[0])
    width = p[2]
    row = p[1] * width
    filters = p[4]
    zero = p[3]
    if width == 1:
        zero += 128
    b = ptr8(int(a) + width)
    e = int(a) + filters * row
    last = int(a) + row - width
    while int(b) < e:
        a[0] = b[0]
        a = ptr8(int(a) + 1)
        b = ptr8(int(b) + 1)
    i = 0
    while i < filters:
        v = acc[i] + zero
        ptr8(last)[0] = v
        if width == 2:
            ptr8(last)[1] = v >> 8
        last += row
        i += 1


@micropython.viper
def remember(arena, weights, at: int, p):
    q = ptr32(p)
    a = ptr8(arena)
    sums = ptr32(int(a) + q[6])
    a = ptr8(int(a) + q[0] + at)
    b = ptr8(weights)
    width = q[2]
    row = q[1] * width
    zero = 1
    zero = zero << 31
    zero = (q[3] ^ zero) - zero
    if width == 1:
        zero += 128
    end = int(b) + int(len(weights))  # noqa: RUF046  viper's cast from an object
    i = at // row
    while int(b) < end:
        e = int(b) + row
        s = 0
        if width == 1:
            while int(b) < e:
                s = (a[0] - zero) * ((b[0] ^ 128) - 128) + s
                a = ptr8(int(a) + 1)
                b = ptr8(int(b) + 1)
        while int(b) < e:
            s = (((a[0] | a[1] << 8) ^ 0x8000) - 0x8000 - zero) * (((b[0] | b[1] << 8) ^ 0x8000) - 0x8000) + s
            a = ptr8(int(a) + 2)
            b = ptr8(int(b) + 2)
        sums[i] = s
        i += 1


@micropython.viper
def gather(a: ptr8, b: ptr8, at: int, p: ptr32):
    acc = ptr32(int(a) + p[5])
    sums = ptr32(int(a) + p[6])
    rank = p[7]
    units = p[8]
    bias = ptr32(int(p) + 36)
    u = 0
    while u < units:
        s = bias[u]
        e = int(sums) + 4 * rank
        while int(sums) < e:
            s += sums[0]
            sums = ptr32(int(sums) + 4)
        acc[u] = s
        u += 1
