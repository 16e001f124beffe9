"""`elementwise` in viper. Its rules are in `int8_viper`."""

import micropython

from .int8_viper import requantise
from .rescale_viper import rescale


@micropython.viper
def ramp(a: ptr8, t: int, zero: int, p: ptr32):
    """Every value of an operand, to where p[t] says: (u - p[zero]) << 20."""
    a = ptr8(int(a) + p[t])
    zero = p[zero]
    u = 0
    while u < 256:
        ptr32(int(a))[u] = (u - zero) << 20
        u += 1


@micropython.viper
def pairs(a: ptr8, b: ptr8, first: int, p: ptr32):
    """p[9] elements of the output from number ``first`` on, as accumulators, to where p[6] says."""
    base = int(a)
    sign = 1
    sign = sign << 31
    sign = (p[15] ^ sign) - sign
    za = p[13]
    zb = p[14]
    words = ptr32(base + p[18])
    more = ptr32(int(words) + 1024)
    d = ptr32(base + p[6])
    end = int(d) + 4 * p[9]
    dims = ptr32(int(p) + 144)
    last = 3 * p[35] - 3
    n = dims[last]
    sa = dims[last + 1]
    sb = dims[last + 2]
    row = first // n
    col = first - row * n
    while int(d) < end:
        a = ptr8(base + p[11] + col * sa)
        b = ptr8(base + p[12] + col * sb)
        r = row
        i = last - 3
        while i >= 0:
            t = r // dims[i]
            r = r - t * dims[i]
            a = ptr8(int(a) + r * dims[i + 1])
            b = ptr8(int(b) + r * dims[i + 2])
            r = t
            i -= 3
        e = int(d) + 4 * (n - col)
        if e > end:
            e = end
        if sign:
            while int(d) < e:
                d[0] = words[a[0]] + sign * more[b[0]]
                d = ptr32(int(d) + 4)
                a = ptr8(int(a) + sa)
                b = ptr8(int(b) + sb)
        while int(d) < e:
            d[0] = (a[0] - za) * (b[0] - zb)
            d = ptr32(int(d) + 4)
            a = ptr8(int(a) + sa)
            b = ptr8(int(b) + sb)
        col = 0
        row += 1


@micropython.viper
def elementwise(arena, weights, at: int, p):
    q = ptr32(p)
    if q[15]:
        ramp(arena, 19, 13, p)
        rescale(arena, 0, 19, p)
        ramp(arena, 27, 14, p)
        rescale(arena, 0, 27, p)
    size = q[16]
    y = q[10]
    first = 0
    while first < size:
        n = size - first
        if n > q[17]:
            n = q[17]
        q[9] = n
        q[10] = y + first
        pairs(arena, arena, first, p)
        requantise(arena, 0, 0, p)
        first += n
    q[10] = y
