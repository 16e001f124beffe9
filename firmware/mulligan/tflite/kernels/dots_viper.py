"""`dots` in viper. Its rules are in `int8_viper`."""

import micropython


@micropython.viper
def dots(arena, weights, at: int, p):
    q = ptr32(p)
    a = ptr8(arena)
    b = ptr8(weights)
    fold = ptr32(int(q) + 4 * q[0])
    acc = ptr32(int(a) + q[3])
    x = int(a) + q[1]
    k = q[2]
    end = int(b) + int(len(weights))  # noqa: RUF046  viper's cast from an object
    row = at // k
    col = at - row * k
    while int(b) < end:
        n = k - col
        if int(b) + n > end:
            n = end - int(b)
        s = fold[row]
        if col:
            s = acc[row]
        a = ptr8(x + col)
        e = int(b) + n
        while int(b) < e:
            s = a[0] * ((b[0] ^ 128) - 128) + s
            a = ptr8(int(a) + 1)
            b = ptr8(int(b) + 1)
        acc[row] = s
        row += 1
        col = 0
