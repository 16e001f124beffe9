"""`lookup` in viper. Its rules are in `int8_viper`."""

import micropython


@micropython.viper
def lookup(a: ptr8, b: ptr8, t: ptr8, p: ptr32):
    b = ptr8(int(a) + p[1])
    a = ptr8(int(a) + p[0])
    e = int(a) + p[2]
    t = ptr8(int(p) + 12)
    while int(a) < e:
        b[0] = t[a[0]]
        a = ptr8(int(a) + 1)
        b = ptr8(int(b) + 1)
