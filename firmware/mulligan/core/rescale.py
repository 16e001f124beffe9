"""Words of patch segments rescaled, plain; ``blend_viper`` has the same as machine code.

In place and in integers, so the result is the same on every machine. A word has 32 bits, little-endian, in two's complement.
"""


def muladd32(words, count, factors, channels, at):
    """Each of ``count`` int32 times the factor of its channel, (at + i) % channels, in Q28, rounded half up."""
    for i in range(0, 4 * count, 4):
        value = words[i] | words[i + 1] << 8 | words[i + 2] << 16 | (words[i + 3] ^ 128) - 128 << 24
        _put(words, i, value * factors[at % channels] + (1 << 27) >> 28)
        at += 1


def floatmul(words, count, factor):
    """Each of ``count`` positive normal float32 times the float32 ``factor`` (its bits), rounded to nearest, ties to even.

    Zero for anything that is not: a sign, zero, denormals, infinity, or a result out of range.
    """
    for i in range(0, 4 * count, 4):
        _put(words, i, product(words[i] | words[i + 1] << 8 | words[i + 2] << 16 | words[i + 3] << 24, factor))


def product(a, b):
    """The bits of the float32 product of two float32 given by their bits; see floatmul."""
    exponent = (a >> 23) + (b >> 23) - 127
    if not 0 < a >> 23 < 255 or not 0 < b >> 23 < 255:
        return 0
    # 24 x 24 bits in pieces of 12: no sum here needs more than 26 bits.
    a = a & 0x7FFFFF | 0x800000
    b = b & 0x7FFFFF | 0x800000
    cross = (a >> 12) * (b & 0xFFF) + (a & 0xFFF) * (b >> 12)
    low = (a & 0xFFF) * (b & 0xFFF) + ((cross & 0xFFF) << 12)
    high = (a >> 12) * (b >> 12) + (cross >> 12) + (low >> 24)
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
    if not 0 < exponent < 255:
        return 0
    return exponent << 23 | high & 0x7FFFFF


def _put(words, i, value):
    for k in range(i, i + 4):
        words[k] = value & 0xFF
        value >>= 8
