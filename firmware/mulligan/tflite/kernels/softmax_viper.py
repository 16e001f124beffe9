"""`softmax` in viper. Its rules are in `int8_viper`."""

import micropython


@micropython.viper
def softmax(a: ptr8, b: ptr8, u: int, p: ptr32):
    b = ptr8(int(a) + p[1])
    a = ptr8(int(a) + p[0])
    rows = p[2]
    depth = p[3]
    exps = ptr32(int(p) + 16)
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
