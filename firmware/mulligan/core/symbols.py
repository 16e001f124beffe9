"""Symbols of a raw deflate stream (RFC 1951), and what they are for, plain; ``symbols_viper`` has the same as machine code.

state, codes: as ``codes`` says.
"""

from .codes import (
    ADDED,
    AT,
    BACK,
    BITS,
    COUNT,
    DISTANCE_WIDTH,
    DISTANCES,
    END,
    FIRST_DISTANCE,
    FROM,
    HELD,
    LENGTH,
    LIMIT,
    LONG,
    MADE,
    MANY,
    NUMBERS,
    OPEN,
    RUN,
    SHIFT,
    TO,
    VALUE,
    WIDTH,
    WINDOW,
)
from .huffman import refill, take
from .kinds import (
    FIRST,
    LEFT,
    OTHERS,
    READ,
    REPEAT,
)


def symbols(_, __, ___, buffers, use):
    """Take symbols for what ``use`` says: 0 where that ends early, as the block does or no symbol may be begun; -1 for damage.

    buffers: state, input, codes, window, piece, old, and the function reach(at) that has byte ``at`` of the base in old.

    PLAIN: the piece from ``state[TO]`` on becomes ``state[MANY]`` bytes of the output; 1. ADDED: the same, as the sums of
    these and of ``old`` from ``state[FROM]`` on. The three words say what is still to come. NUMBERS: ``state[MANY]`` numbers,
    unsigned LEB128 of 31 bits; 1.

    RUN: segments of the kinds that are executed by the output and by bytes of the base; HUNGRY, OTHERS or FULL.
    This form reads heads alone, and leaves what they say to the decoder of segments.
    """
    state, data, codes, window, piece, old, _ = buffers
    to, start, count = state[TO], state[FROM], state[MANY]
    wanted = 0 if use == RUN else count
    made = 0
    if use == RUN and (state[READ] or state[LEFT]):
        return OTHERS
    if use > ADDED:
        count = 1
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
            if state[AT] > state[LIMIT]:
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
        if use > ADDED:
            made = _digit(state, wanted, value)
            if made < 0:
                return -1
        else:
            piece[to + made] = value + old[start + made] & 0xFF if use == ADDED else value
            made += 1
    if 8 * state[AT] - state[HELD] > 8 * state[END]:
        return -1
    if use == RUN:
        state[READ] = made
        return made * OTHERS
    if use == NUMBERS:
        return made
    state[TO] = to + made
    state[FROM] = start + made
    state[MANY] = count - made
    return int(made == count)


def _digit(state, wanted, value):
    """Take a byte of a number: 1 if that was the last of those that are wanted, 0 of a head's; else 0; -1 if it is too large."""
    if state[SHIFT] == 28 and value > 7:
        return -1
    state[VALUE] |= (value & 127) << state[SHIFT]
    state[SHIFT] += 7
    if value > 127:
        return 0
    count = state[COUNT]
    state[FIRST + count] = state[VALUE]
    count += 1
    complete = count == wanted or (not wanted and count > 1 and (count == 3 or state[FIRST] < REPEAT))
    state[VALUE] = state[SHIFT] = 0
    state[COUNT] = 0 if complete else count
    return int(complete)


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
    refill(state, data, 15)
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

