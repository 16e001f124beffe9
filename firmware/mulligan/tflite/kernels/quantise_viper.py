"""`quantise` in viper. Its rules are in `int8_viper`."""

import micropython


@micropython.viper
def quantise(a: ptr8, out: ptr8, r: int, p: ptr32):
    out = ptr8(int(a) + p[1])
    a = ptr8(int(a) + p[0])
    end = int(out) + p[2]
    m = p[3]
    e = 1
    e = e << 31
    e = (p[4] ^ e) - e
    zero = p[5]
    while int(out) < end:
        b = a[2] >> 7 | (a[3] & 127) << 1
        r = a[0] | a[1] << 8 | (a[2] & 127) << 16
        if b:
            r = r | 0x800000
        else:
            b = 1
        if r:
            while r < 0x800000:
                r = r << 1
                b -= 1
        d = b - 150 - e
        v = 0
        if r and d > 9:
            v = 512
        elif r and d >= -2:
            if r < m:
                r = r << 1
                d -= 1
            # 24 bits of the quotient, by long division; r stays below 2 * m.
            q = 0
            k = 24
            while k > 0:
                q = q << 1
                if r >= m:
                    q += 1
                    r -= m
                r = r << 1
                k -= 1
            if r > m or (r == m and q & 1):
                q += 1
            v = q + (1 << (22 - d)) >> (23 - d)
        if a[3] & 128:
            v = 0 - v
        v += zero
        if v < 0:
            v = 0
        elif v > 255:
            v = 255
        out[0] = v
        out = ptr8(int(out) + 1)
        a = ptr8(int(a) + 4)
