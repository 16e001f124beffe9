"""Plain reference of `quantise_viper`: float32 to int8, by integers alone.

``p`` is X (offset in the arena of the float32s), Y (of the bytes), N, and the output's scale as MANTISSA * 2**EXPONENT, the
mantissa of 24 bits, and its zero point + 128. The quotient is rounded to float32, half to even, and that half away from zero,
as AffineQuantize does. What is beyond int8 saturates; a NaN counts as beyond.
"""


def quantise(arena, weights, at, p):
    x, y, n, m, e, zero = p
    for i in range(n):
        a = arena[x + 4 * i : x + 4 * i + 4]
        b = a[2] >> 7 | (a[3] & 127) << 1
        q = a[0] | a[1] << 8 | (a[2] & 127) << 16
        if b:
            q |= 0x800000
        else:
            b = 1
        while q and q < 0x800000:
            q <<= 1
            b -= 1
        d = b - 150 - e  # the quotient is q / m * 2**d, and q / m is above 1/2 and below 2
        if not q or d < -2:
            v = 0
        elif d > 9:
            v = 512
        else:
            if q < m:
                q <<= 1
                d -= 1
            r = (q << 23) % m
            q = (q << 23) // m
            q += 2 * r > m or (2 * r == m and q & 1)
            v = q + (1 << 22 - d) >> 23 - d
        arena[y + i] = min(255, max(0, zero - v if a[3] & 128 else zero + v))
