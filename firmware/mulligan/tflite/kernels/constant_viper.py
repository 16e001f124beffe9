"""`constant` in viper. Its rules are in `int8_viper`."""

import micropython


@micropython.viper
def constant(arena, weights, at: int, p):
    q = ptr32(p)
    b = ptr8(int(ptr8(arena)) + q[0] + at)
    a = ptr8(weights)
    e = int(a) + int(len(weights))  # noqa: RUF046  viper's cast from an object
    m = q[1]
    while int(a) < e:
        b[0] = a[0] ^ m
        a = ptr8(int(a) + 1)
        b = ptr8(int(b) + 1)
