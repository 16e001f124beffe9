"""`pool` in viper. Its rules are in `int8_viper`."""

import micropython


@micropython.viper
def pool(a: ptr8, b: ptr8, s: int, p: ptr32):
    x = int(a) + p[0]
    out = ptr8(int(a) + p[1])
    average = p[3]
    low = p[4]
    high = p[5]
    h = p[6]
    w = p[7]
    c = p[8]
    kh = p[9]
    kw = p[10]
    sh = p[11]
    sw = p[12]
    pt = p[13]
    pl = p[14]
    oh = p[15]
    ow = p[16]
    image = p[2]
    while image > 0:
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
                        a = ptr8(x + (iy * w + x0) * c + j)
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
        x += h * w * c
        image -= 1
