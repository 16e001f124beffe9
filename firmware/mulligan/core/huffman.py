"""Codes of a raw deflate stream (RFC 1951, section 3.2), plain; ``huffman_viper`` has the same as machine code.

state, codes: as ``codes`` says.
"""

from .codes import (
    AT,
    BACK,
    BITS,
    DISTANCE_WIDTH,
    DISTANCES,
    END,
    FIRST_DISTANCE,
    HELD,
    LENGTH,
    LENGTHS_WIDTH,
    LIMIT,
    LONG,
    MADE,
    OPEN,
    WIDTH,
    WINDOW,
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


def _refill(state, data, least):
    """Have ``least`` bits held; after the end of the input they are 0."""
    while state[HELD] < least:
        at = state[AT]
        if at < state[END]:
            state[BITS] |= data[at] << state[HELD]
        state[AT] = at + 1
        state[HELD] += 8


def take(state, data, count):
    """The next ``count`` bits of the input, 15 at most, as a number."""
    _refill(state, data, count)
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
        _refill(state, data, 15)
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


def symbols(_, __, ___, state, data, codes, window, target, to, old, start, count, added):
    """Fill ``target[to:]`` with up to ``count`` bytes of the output: how many; -1 for a damaged stream.

    added: whether as the sums of ``old[start:]`` and these. It ends early where the block does, and where no symbol may be begun.
    """
    made = 0
    while made < count and state[OPEN]:
        if state[LENGTH]:
            if state[BACK]:
                value = window[state[MADE] - state[BACK] & WINDOW - 1]
            elif state[AT] < state[END]:
                value = data[state[AT]]
                state[AT] += 1
            else:
                break
            state[LENGTH] -= 1
            if not state[BACK] and not state[LENGTH]:
                state[OPEN] = 0
        else:
            if state[HELD] < 15 and state[AT] > state[LIMIT]:
                break
            value = _symbol(state, data, codes, 0, WIDTH)
            if value == 256:
                state[OPEN] = 0
            elif not 0 <= value < 256 and not _match(state, data, codes, value - 257):
                return -1
            if value > 255:
                continue
        window[state[MADE] & WINDOW - 1] = value
        state[MADE] += 1
        target[to + made] = value + old[start + made] & 0xFF if added else value
        made += 1
    return -1 if 8 * state[AT] - state[HELD] > 8 * state[END] else made


def number(state, data, codes, window, digits, count):
    """An unsigned LEB128 integer of 31 bits, of whose bytes ``digits`` has the first ``count``; it gets the others.

    Where there are ``n`` of these and the next takes more than a look at ``codes``, or is one too many: -1 - n.
    """
    value = digits[count - 1] if count else 128
    while value > 127 and count < 5 and state[OPEN]:
        if state[LENGTH]:
            if not state[BACK]:
                break
            value = window[state[MADE] - state[BACK] & WINDOW - 1]
            state[LENGTH] -= 1
        else:
            if state[HELD] < 15 and state[AT] > state[LIMIT]:
                break
            _refill(state, data, 15)
            code = codes[state[BITS] & (1 << WIDTH) - 1]
            if code > 4095:
                break
            take(state, data, code & 15)
            value = code >> 4
        window[state[MADE] & WINDOW - 1] = value
        state[MADE] += 1
        digits[count] = value
        count += 1
    if value > 127 or (count == 5 and value > 7):
        return -1 - count
    value = 0
    for i in range(count):
        value |= (digits[i] & 127) << 7 * i
    return value


def _match(state, data, codes, value):
    """Read the rest of a match, of which ``value`` says how long it is, about. 1; 0 for a damaged stream."""
    if not 0 <= value <= 28:
        return 0
    if value < 8:
        length = value + 3
    elif value == 28:
        length = 258
    else:
        extra = (value >> 2) - 1
        length = ((4 | value & 3) << extra) + 3 + take(state, data, extra)
    value = _symbol(state, data, codes, DISTANCES, DISTANCE_WIDTH) - FIRST_DISTANCE
    if not 0 <= value < 20:
        return 0
    back = value + 1
    if value > 3:
        extra = (value >> 1) - 1
        back = ((2 | value & 1) << extra) + 1 + take(state, data, extra)
    state[LENGTH] = length
    state[BACK] = back
    return back <= state[MADE]


def _symbol(state, data, codes, table, width):
    """The value of the next code; -1 if there is no such code."""
    _refill(state, data, 15)
    bits = state[BITS]
    code = codes[table + (bits & (1 << width) - 1)]
    n = code & 15
    code = (code & ~LONG) >> 4
    if n == 0:
        counts = table + (1 << width)
        first = codes[counts + 16]
        place = counts + codes[counts + 17]
        n = width
        while n < 15:
            code = code << 1 | bits >> n & 1
            n += 1
            many = codes[counts + n]
            if code - many < first:
                code = codes[place + code - first]
                break
            place += many
            first = first + many << 1
        else:
            return -1
    state[BITS] >>= n
    state[HELD] -= n
    return code

