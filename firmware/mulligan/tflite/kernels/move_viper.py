"""`move` in viper. Its rules are in `int8_viper`."""

import micropython


@micropython.viper
def move(x: ptr8, y: ptr8, k: int, p: ptr32):
    base = int(x)
    sign = 1
    sign = sign << 31
    a = base + p[0]
    b = a + p[1]
    value = p[2]
    while a < b:
        ptr8(a)[0] = value
        a += 1
    box = ptr32(int(p) + 16)
    boxes = p[3]
    while boxes > 0:
        rank = box[2]
        dims = ptr32(int(box) + 12)
        last = 3 * rank - 3
        rows = 1
        i = 0
        while i < last:
            rows = rows * dims[i]
            i += 3
        n = dims[last]
        xs = (dims[last + 1] ^ sign) - sign
        ys = (dims[last + 2] ^ sign) - sign
        row = 0
        while row < rows:
            a = base + box[0]
            b = base + box[1]
            r = row
            i = last - 3
            while i >= 0:
                q = r // dims[i]
                r = r - q * dims[i]
                a += r * ((dims[i + 1] ^ sign) - sign)
                b += r * ((dims[i + 2] ^ sign) - sign)
                r = q
                i -= 3
            k = n
            x = ptr8(a)
            y = ptr8(b)
            if xs == 1 and ys == 1:
                if (a | b) & 3 == 0 and (b < a or b >= a + n):
                    while k >= 4:
                        ptr32(int(y))[0] = ptr32(int(x))[0]
                        x = ptr8(int(x) + 4)
                        y = ptr8(int(y) + 4)
                        k -= 4
                while k > 0:
                    y[0] = x[0]
                    x = ptr8(int(x) + 1)
                    y = ptr8(int(y) + 1)
                    k -= 1
            while k > 0:
                y[0] = x[0]
                x = ptr8(int(x) + xs)
                y = ptr8(int(y) + ys)
                k -= 1
            row += 1
        box = ptr32(int(dims) + 12 * rank)
        boxes -= 1
