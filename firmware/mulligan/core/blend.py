"""Arithmetic of patch segments on whole buffers, plain; ``blend_viper`` has the same as machine code.

Everything is in place or between the buffers given, and in integers, so the result is the same on every machine. A word has
32 bits, little-endian, in two's complement; sums wrap.
"""


def copy(target, at, source, start, count):
    """``target[at:]`` becomes ``count`` bytes of ``source[start:]``, one after the other: a copy onto itself repeats."""
    if target is source:
        for i in range(count):
            target[at + i] = source[start + i]
    else:
        target[at : at + count] = source[start : start + count]


def add8(target, at, one, i, other, k, count):
    """``target[at:]`` becomes the sums, modulo 256, of ``count`` bytes of ``one[i:]`` and of ``other[k:]``."""
    for n in range(count):
        target[at + n] = one[i + n] + other[k + n] & 0xFF


def scale8(source, start, count, factors, run, channels, at):
    """Rescale ``count`` int8 of ``source[start:]``: times the factor of its channel in Q16, rounded, clamped to int8.

    Byte i belongs to channel (at + i) // run % channels.
    """
    for i in range(start, start + count):
        value = (source[i] ^ 128) - 128
        value = value * factors[at // run % channels] + 32768 >> 16
        at += 1
        source[i] = max(-128, min(127, value)) & 0xFF


def gather32(words, planes, at, count):
    """Add to each of ``count`` words a difference: ``planes[at:]`` has the bytes 0 of all zigzag forms, then bytes 1, 2, 3."""
    for i in range(count):
        z = at + i
        z = planes[z] | planes[z + count] << 8 | planes[z + 2 * count] << 16 | planes[z + 3 * count] << 24
        value = z >> 1 ^ -(z & 1)
        for k in range(4 * i, 4 * i + 4):
            value += words[k]
            words[k] = value & 0xFF
            value >>= 8
