"""`rescale` in viper. Its rules are in `int8_viper`."""

import micropython


@micropython.viper
def rescale(v: ptr8, t: int, at: int, p: ptr32):
    sign = 1
    sign = sign << 31
    mask = (sign << 1) - 1
    p = ptr32(int(p) + 4 * at)
    a = ptr32(int(v) + p[0])
    e = int(a) + 4 * p[1]
    bias = p[2]
    q = p[3]
    qh = q >> 16
    q = q & 0xFFFF
    ls = 0
    rs = (p[4] ^ sign) - sign
    if rs > 0:
        ls = rs
        rs = 0
    rs = 0 - rs
    zero = (p[5] ^ sign) - sign
    low = (p[6] ^ sign) - sign
    high = (p[7] ^ sign) - sign
    m = (1 << rs) - 1
    half = m >> 1
    while int(a) < e:
        x = ((((a[0] + bias) << ls) & mask) ^ sign) - sign
        neg = 0
        if x < 0:
            neg = 1
            x = 0 - x
        # x * q = (hi * 2**32) + (mid & 0xffff) * 2**16 + (lo & 0xffff), x at most 2**31
        hi = (x >> 16) & 0xFFFF
        x = x & 0xFFFF
        lo = x * q
        mid = hi * q + ((lo >> 16) & 0xFFFF)
        hi = hi * qh + ((mid >> 16) & 0xFFFF)
        mid = x * qh + (mid & 0xFFFF)
        x = ((hi + (mid >> 16)) << 1) | ((mid >> 15) & 1)
        # Bit 30 rounds half away from zero, but a negative half only down to it: common.h's nudge.
        if mid & 0x4000:
            if neg == 0 or (mid & 0x3FFF) | (lo & 0xFFFF):
                x += 1
        t = half
        if neg:
            x = 0 - x
            if x < 0:
                t += 1
        hi = x & m
        x = x >> rs
        if hi > t:
            x += 1
        if x < low:
            x = low
        elif x > high:
            x = high
        a[0] = x + zero
        a = ptr32(int(a) + 4)
