"""`widen` in viper. Its rules are in `int8_viper`."""

import micropython


@micropython.viper
def widen(a: ptr8, b: ptr32, t: ptr32, p: ptr32):
    b = ptr32(int(a) + p[1])
    a = ptr8(int(a) + p[0])
    e = int(a) + p[2]
    t = ptr32(int(p) + 12)
    while int(a) < e:
        b[0] = t[a[0]]
        a = ptr8(int(a) + 1)
        b = ptr32(int(b) + 4)
