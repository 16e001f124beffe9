"""What ``symbols`` does, as machine code, for ports with a native emitter. Right on words of 32 bits (ESP32) and of 64.

Segments of bytes are executed here too, one after the other, so that what is small costs no bytecode.

A port keeps the first three arguments of a function in registers. They are not used, and there for that.
"""

import micropython

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
from .kinds import (
    BASE,
    COPY,
    DONE,
    FILL,
    FIRST,
    FULL,
    KIND,
    LEFT,
    OLD,
    OLDS,
    OTHERS,
    PIECE,
    PLACE,
    PRUNE8,
    READ,
    REPEAT,
    STOP,
)


@micropython.viper
def symbols(bits: int, held: int, code: int, buffers, use: int) -> int:
    state = ptr32(buffers[0])
    data = ptr8(buffers[1])
    codes = ptr16(buffers[2])
    window = ptr8(buffers[3])
    target = ptr8(buffers[4])
    old = ptr8(buffers[5])
    reach = buffers[6]
    bits = state[BITS]
    held = state[HELD]
    at = state[AT]
    limit = state[LIMIT]
    made = state[MADE]
    length = state[LENGTH]
    back = state[BACK]
    to = state[TO]
    start = state[FROM]
    count = state[MANY]
    numbers = table = far = wanted = way = 0
    added = use
    if use > ADDED:
        added = 0
        to = PIECE  # beyond the piece is room for a byte of a number
        wanted = count
        count = numbers = 1
        if use == RUN:
            if state[READ]:
                return OTHERS
            to = state[FILL]
            count = wanted = numbers = 0
    start -= to
    count += to
    mask = (1 << WIDTH) - 1
    while True:
        if to == count:
            if use < NUMBERS:
                break
            if numbers:
                shift = state[SHIFT]
                if shift == 28 and code > 7:
                    return -1
                value = state[VALUE] | (code & 127) << shift
                shift += 7
                if code < 128:
                    n = state[COUNT]
                    state[FIRST + n] = value
                    n += 1
                    value = shift = 0
                    state[COUNT] = n
                    if n == wanted or (wanted == 0 and n > 1 and (n == 3 or state[FIRST] < REPEAT)):
                        state[COUNT] = numbers = 0
                state[VALUE] = value
                state[SHIFT] = shift
                to = PIECE
                if numbers == 0:
                    if use == NUMBERS:
                        way = 1
                        break
                    to = state[FILL]
                    kind = state[FIRST]
                    value = state[FIRST + 1] + 1
                    place = state[PLACE]
                    if kind >= COPY:
                        n = state[FIRST + 2]
                        place += n >> 1 ^ 0 - (n & 1)
                    if (
                        kind == REPEAT or kind > PRUNE8 or value < 1 or value > state[STOP] - state[DONE]
                        or (kind >= COPY and (place < 0 or place > state[BASE] - value))
                    ):  # fmt: skip
                        state[READ] = 1
                        way = OTHERS
                        break
                    state[KIND] = kind
                    state[LEFT] = value
                    state[PLACE] = place
            if numbers == 0:
                kind = state[KIND]
                value = to - state[FILL]
                state[FILL] = to
                state[DONE] = state[DONE] + value
                state[LEFT] = state[LEFT] - value
                if kind >= COPY:
                    state[PLACE] = state[PLACE] + value
                if to == PIECE or state[DONE] == state[STOP]:
                    way = FULL
                    break
                value = state[LEFT]
                if value:
                    if kind == REPEAT or kind > PRUNE8:
                        way = OTHERS
                        break
                    if value > PIECE - to:
                        value = PIECE - to
                    added = 0
                    if kind >= COPY:
                        if kind == COPY and value == PIECE:
                            way = OTHERS
                            break
                        start = state[PLACE] - state[OLD]
                        if start < 0 or start >= OLDS:
                            reach(state[PLACE])
                            start = state[PLACE] - state[OLD]
                        if value > OLDS - start:
                            value = OLDS - start
                        added = kind - COPY
                    start -= to
                    count = to + value
                    while kind == COPY and to < count:
                        target[to] = old[start + to]
                        to += 1
                else:
                    added = 0
                    numbers = 1
                    to = PIECE
                    count = PIECE + 1
            if to == count:
                continue
        if state[OPEN] == 0:
            break
        if length:
            value = length
            if value > count - to:
                value = count - to
            if back == 0 and value > state[END] - at:
                value = state[END] - at
                if value < 1:
                    break
            length -= value
            value += to
            while to < value:
                if back:
                    code = window[made - back & WINDOW - 1]
                else:
                    code = data[at]
                    at += 1
                window[made & WINDOW - 1] = code
                made += 1
                if added:
                    code += old[start + to]
                target[to] = code
                to += 1
            if back == 0 and length == 0:
                state[OPEN] = 0
            continue
        if far == 0:
            made -= to
            while to < count:
                if held < 15:
                    if at > limit:
                        break
                    bits |= data[at] << held | data[at + 1] << held + 8
                    at += 2
                    held += 16
                code = codes[bits & (1 << WIDTH) - 1]
                if code > 4095:
                    break
                bits >>= code & 15
                held -= code & 15
                code >>= 4
                window[made + to & WINDOW - 1] = code
                if added:
                    code += old[start + to]
                target[to] = code
                to += 1
            made += to
            if to == count:
                continue
            if held < 15 or at > limit:
                break
        elif held < 15:
            bits |= data[at] << held | data[at + 1] << held + 8
            at += 2
            held += 16
        code = codes[table + (bits & mask)]
        if code & 15 == 0:  # longer than the table looks up, or none
            counts = table + mask + 1
            place = counts + codes[counts + 17]
            least = codes[counts + 16]
            word = (code & LONG - 1) >> 3
            n = DISTANCE_WIDTH if table else WIDTH
            while True:
                if n == 15:
                    return -1
                word |= bits >> n & 1
                n += 1
                many = codes[counts + n]
                word -= many
                if word < least:
                    break
                place += many
                word = word + many << 1
                least = least + many << 1
            code = codes[place + word + many - least] << 4 | n
        bits >>= code & 15
        held -= code & 15
        code >>= 4
        if code < 256:
            window[made & WINDOW - 1] = code
            made += 1
            if added:
                code += old[start + to]
            target[to] = code
            to += 1
            continue
        if code == 256:
            state[OPEN] = 0
            continue
        extra = 0
        if code < FIRST_DISTANCE:
            code -= 257
            value = code + 3
            if code > 7:
                if code > 28:
                    return -1
                extra = (code >> 2) - 1
                value = ((4 | code & 3) << extra) + 3
                if code == 28:
                    extra = 0
                    value = 258
        else:
            code -= FIRST_DISTANCE
            value = code + 1
            if code > 3:
                extra = (code >> 1) - 1
                value = ((2 | code & 1) << extra) + 1
        if extra:
            if held < extra:
                bits |= data[at] << held
                at += 1
                held += 8
            value += bits & (1 << extra) - 1
            bits >>= extra
            held -= extra
        if far == 0:
            far = value
            table = DISTANCES
            mask = (1 << DISTANCE_WIDTH) - 1
            continue
        if value > made or value > WINDOW:
            return -1
        length = far
        back = value
        far = table = 0
        mask = (1 << WIDTH) - 1
    if (at << 3) - held > state[END] << 3:
        return -1
    state[BITS] = bits
    state[HELD] = held
    state[AT] = at
    state[MADE] = made
    state[LENGTH] = length
    state[BACK] = back
    if use < NUMBERS:
        state[TO] = to
        state[FROM] = start + to
        state[MANY] = count - to
        if to == count:
            way = 1
    if use == RUN and numbers == 0:
        value = to - state[FILL]
        state[FILL] = to
        state[DONE] = state[DONE] + value
        state[LEFT] = state[LEFT] - value
        if state[KIND] >= COPY:
            state[PLACE] = state[PLACE] + value
    return way
