"""Codes of a raw deflate stream (RFC 1951, section 3.2), plain; ``huffman_viper`` has the same as machine code.

state, codes: as ``codes`` says.
"""

from .codes import (
    AT,
    BITS,
    END,
    HELD,
    LENGTHS_WIDTH,
    LONG,
)


def build(codes, lengths, start, count, at, width, first):
    """Write at ``at`` the table of the values from ``first`` on whose codes have ``lengths[start:start + count]``.

    1; 0 if there are no such codes, as they would not all be different.
    """
    counts = at + (1 << width)
    place = counts + 18
    for i in range(at, place):
        codes[i] = LONG if i < counts else 0
    for i in range(start, start + count):
        codes[counts + lengths[i]] += 1
    room = 1
    code = 0
    for n in range(1, 16):
        room = (room << 1) - codes[counts + n]
        if room < 0:
            return 0
        code <<= 1
        if n == width + 1:
            codes[counts + 16] = code
            codes[counts + 17] = place - counts
        for i in range(start, start + count) if codes[counts + n] else ():
            if lengths[i] == n:
                codes[place] = i - start + first
                place += 1
                word = code >> max(0, n - width)
                turned = 0
                for k in range(min(n, width)):
                    turned = turned << 1 | word >> k & 1
                for entry in range(turned, 1 << width, 1 << min(n, width)):
                    codes[at + entry] = LONG | word << 4 if n > width else (i - start + first) << 4 | n
                code += 1
    return 1


def refill(state, data, least):
    """Have ``least`` bits held; after the end of the input they are 0."""
    while state[HELD] < least:
        at = state[AT]
        if at < state[END]:
            state[BITS] |= data[at] << state[HELD]
        state[AT] = at + 1
        state[HELD] += 8


def take(state, data, count):
    """The next ``count`` bits of the input, 15 at most, as a number."""
    refill(state, data, count)
    value = state[BITS] & (1 << count) - 1
    state[BITS] >>= count
    state[HELD] -= count
    return value


def start(state, data, lengths, order):
    """Read the head of a block with codes of its own: ``lengths`` become those of the codes of lengths.

    The head's three numbers, of five bits each.
    """
    total = take(state, data, 14)
    for i in range(19):
        lengths[order[i]] = take(state, data, 3) if i < (total >> 10) + 4 else 0
    return total


def lengths(state, data, codes, lengths, count):
    """Read ``count`` lengths of codes, by the table of LENGTHS_WIDTH bits in ``codes``. 1; 0 for a damaged stream."""
    i = last = 0
    while i < count:
        refill(state, data, 15)
        code = codes[state[BITS] & (1 << LENGTHS_WIDTH) - 1]
        if code & 15 == 0 or (code >> 4 == 16 and i == 0):
            return 0
        take(state, data, code & 15)
        code >>= 4
        many = 1
        if code < 16:
            last = code
        else:
            if code > 16:
                last = 0
            many = (11 if code == 18 else 3) + take(state, data, 7 if code == 18 else code - 14)
            if i + many > count:
                return 0
        for k in range(i, i + many):
            lengths[k] = last
        i += many
    return 1
