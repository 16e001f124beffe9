"""`int8` in viper. This docstring also holds what all the viper kernels keep to.

Right on 32-bit words (ESP32, i386) and on 64-bit ones. What that takes:
- an int is one machine word; sums are right modulo 2**32, and the sign is put right once, at the end (``sign``, ``mask``);
- ptr32 sign-extends on 32-bit words and zero-extends on 64-bit ones;
- ``>>`` is arithmetic, so a word that may have its top bit set is masked after it;
- a literal has at most 31 bits: larger ones are put together;
- a 32 x 32 bit product doesn't fit: its high half is put together from 16 x 16 bit products;
- the first three locals, of which the arguments are the first, lie in registers: a hot loop takes them over;
- a call from viper boxes its arguments, which allocates nothing for objects and small integers.
"""

import micropython


@micropython.viper
def flip(a: ptr8, b: ptr8, at: int, p: ptr32):
    x = int(a) + p[0]
    e = x + p[1]
    while x < e and x & 3:
        ptr8(x)[0] = ptr8(x)[0] ^ 128
        x += 1
    m = 0x8080
    m = m << 16 | m
    while x + 4 <= e:
        ptr32(x)[0] = ptr32(x)[0] ^ m
        x += 4
    while x < e:
        ptr8(x)[0] = ptr8(x)[0] ^ 128
        x += 1


@micropython.viper
def _sums(w: ptr8, s: int, i: int, q: ptr32, p: ptr32, at: int):
    e = int(w) + i
    out = ptr32(int(p) + 4 * q[0])
    k = q[1]
    count = q[2]
    if count:
        i = at % count
        while int(w) < e:
            out[i] = out[i] + (w[0] ^ 128) - 128
            w = ptr8(int(w) + 1)
            i += 1
            if i == count:
                i = 0
        return
    i = at // k
    end = int(w) + (i + 1) * k - at
    while int(w) < e:
        if end > e:
            end = e
        s = 0
        while int(w) < end:
            s += (w[0] ^ 128) - 128
            w = ptr8(int(w) + 1)
        out[i] = out[i] + s
        end += k
        i += 1


def sums(p, weights, at, q):
    _sums(weights, 0, len(weights), q, p, at)


@micropython.viper
def _fold(bias: ptr32, n: int, at: int, q: ptr32, p: ptr32):
    out = ptr32(int(p) + 4 * q[0] + at)
    zero = q[3]
    i = 0
    while i < n:
        out[i] = bias[i] - zero * out[i]
        i += 1


def fold(p, bias, at, q):
    _fold(bias, len(bias) // 4, at, q, p)


@micropython.viper
def requantise(v: ptr8, t: int, q: int, p: ptr32):
    sign = 1
    sign = sign << 31
    mask = (sign << 1) - 1
    count = p[2]
    each = p[1] & 1
    zero = p[3]
    low = (p[4] ^ sign) - sign
    high = (p[5] ^ sign) - sign
    first = p[7]
    last = first + p[8]
    pixels = p[9]
    bias = ptr32(int(p) + 4 * p[0])
    apart = p[1] >> 1
    mult = bias
    if not apart:
        mult = ptr32(int(bias) + 4 * count)
    shift = ptr8(int(mult) + 4)
    if each:
        shift = ptr8(int(mult) + 4 * count)
    base = int(v)
    acc = ptr32(base + p[6])
    out = ptr8(base + p[10])
    c = first
    while c < last:
        offset = 0
        if not apart:
            offset = bias[c]
        f = c * each
        q = mult[f]
        qh = q >> 16
        q = q & 0xFFFF
        rs = 31 - shift[f]
        ls = 0
        relu = 0
        if rs < 0:
            ls = 0 - rs
            rs = 0
        elif low >= 0:
            relu = 1
        m = (1 << rs) - 1
        half = m >> 1
        b = out
        e = int(acc) + 4 * pixels
        while int(acc) < e:
            x = (((acc[0] + offset) & mask) ^ sign) - sign
            if relu and x <= 0:
                x = low
            else:
                if ls:
                    x = (((x << ls) & mask) ^ sign) - sign
                neg = 0
                if x < 0:
                    neg = 1
                    x = 0 - x
                # x * q = (hi * 2**32) + (mid & 0xffff) * 2**16 + (lo & 0xffff), x at most 2**31
                hi = (x >> 16) & 0xFFFF
                x = x & 0xFFFF
                lo = x * q
                mid = hi * q + ((lo >> 16) & 0xFFFF)
                hi = hi * qh + (mid >> 16)
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
            b[0] = x + zero
            acc = ptr32(int(acc) + 4)
            b = ptr8(int(b) + count)
        out = ptr8(int(out) + 1)
        c += 1
