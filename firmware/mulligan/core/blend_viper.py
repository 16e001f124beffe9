"""What ``blend`` and ``rescale`` do, as machine code, for ports with a native emitter. Right on words of 32 bits and of 64.

ptr32 sign-extends on 32-bit words and zero-extends on 64-bit ones, so a sign is put right with ``^`` and ``-``, and a word that
may have its top bit set is masked after ``>>``. A literal has at most 31 bits.
"""

import micropython


@micropython.viper
def copy(target: ptr8, at: int, source: ptr8, start: int, count: int):
    i = 0
    to = int(target) + at
    of = int(source) + start
    if (to | of) & 3 == 0:
        tos = ptr32(to)
        ofs = ptr32(of)
        words = count >> 2
        while i < words:
            tos[i] = ofs[i]
            i += 1
        i <<= 2
    while i < count:
        target[at + i] = source[start + i]
        i += 1


@micropython.viper
def add8(target: ptr8, at: int, one: ptr8, i: int, other: ptr8, k: int, count: int):
    count += at
    while at < count:
        target[at] = one[i] + other[k]
        at += 1
        i += 1
        k += 1


@micropython.viper
def scale8(source: ptr8, start: int, count: int, factors: ptr32, run: int, channels: int, at: int):
    i = start
    end = start + count
    left = run - at % run
    channel = at // run % channels
    while i < end:
        if left == 0:
            left = run
            channel += 1
            if channel == channels:
                channel = 0
        left -= 1
        value = ((source[i] ^ 128) - 128) * factors[channel] + 32768 >> 16
        if value > 127:
            value = 127
        elif value < -128:
            value = -128
        source[i] = value
        i += 1


@micropython.viper
def gather32(words: ptr32, planes: ptr8, at: int, count: int):
    i = 0
    while i < count:
        z = planes[at]
        half = z >> 1 | planes[at + count] << 7 | planes[at + 2 * count] << 15 | planes[at + 3 * count] << 23
        words[i] = words[i] + (half ^ 0 - (z & 1))
        i += 1
        at += 1


@micropython.viper
def muladd32(words: ptr32, count: int, factors: ptr32, channels: int, at: int):
    i = 0
    channel = at % channels
    while i < count:
        a = words[i]
        b = factors[channel]
        channel += 1
        if channel == channels:
            channel = 0
        # a as its sign and magnitude; magnitude x factor, 32 x 32 bits out of 16 x 16; round; >> 28; half up for both signs.
        negative = a >> 31 & 1
        if negative:
            a = 0 - a
        al = a & 0xFFFF
        ah = a >> 16 & 0xFFFF
        bl = b & 0xFFFF
        bh = b >> 16 & 0xFFFF
        p = al * bl
        low = p & 0xFFFF
        mid = (p >> 16 & 0xFFFF) + (al * bh & 0xFFFF) + (ah * bl & 0xFFFF)
        high = (al * bh >> 16 & 0xFFFF) + (ah * bl >> 16 & 0xFFFF) + ah * bh + (mid >> 16)
        low |= (mid & 0x7FFF) << 16
        top = mid >> 15 & 1
        # product = high << 32 | top << 31 | low; the fraction is its low 28 bits, a half 1 << 27.
        fraction = low & 0xFFFFFFF
        value = high << 4 | top << 3 | low >> 28 & 7
        half = 1 << 27
        if fraction > half or (fraction == half and negative == 0):
            value += 1
        if negative:
            value = 0 - value
        words[i] = value
        i += 1


@micropython.viper
def floatmul(words: ptr32, count: int, factor: int):
    i = 0
    eb = factor >> 23 & 0x1FF
    b = factor & 0x7FFFFF | 0x800000
    bh = b >> 12
    bl = b & 0xFFF
    while i < count:
        a = words[i]
        exponent = a >> 23 & 0x1FF
        value = 0
        if exponent > 0 and exponent < 255 and eb > 0 and eb < 255:
            exponent += eb - 127
            a = a & 0x7FFFFF | 0x800000
            ah = a >> 12
            al = a & 0xFFF
            cross = ah * bl + al * bh
            low = al * bl + ((cross & 0xFFF) << 12)
            high = ah * bh + (cross >> 12) + (low >> 24)
            low &= 0xFFFFFF
            if high & 0x800000:
                exponent += 1
            else:
                high = high << 1 | low >> 23
                low = low << 1 & 0xFFFFFF
            if low > 0x800000 or (low == 0x800000 and high & 1):
                high += 1
                if high >> 24:
                    high >>= 1
                    exponent += 1
            if exponent > 0 and exponent < 255:
                value = exponent << 23 | high & 0x7FFFFF
        words[i] = value
        i += 1
