"""What ``huffman`` does, as machine code, for ports with a native emitter. Right on words of 32 bits (ESP32) and of 64.

A port keeps the first three arguments of a function in registers. Where these are not used, they are there for that.
"""

import micropython

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


@micropython.viper
def build(codes: ptr16, lengths: ptr8, start: int, count: int, at: int, width: int, first: int) -> int:
    size = 1 << width
    i = at
    counts = at + size
    place = counts + 18
    while i < place:
        codes[i] = LONG
        if i >= counts:
            codes[i] = 0
        i += 1
    i = start
    count += start
    while i < count:
        n = counts + lengths[i]
        codes[n] = codes[n] + 1
        i += 1
    room = 1
    code = 0
    n = 1
    while n < 16:
        many = codes[counts + n]
        room = (room << 1) - many
        if room < 0:
            return 0
        code <<= 1
        if n == width + 1:
            codes[counts + 16] = code
            codes[counts + 17] = place - counts
        i = start
        while many:
            if lengths[i] == n:
                many -= 1
                value = i - start + first
                codes[place] = value
                place += 1
                step = n
                value = value << 4 | n
                word = code
                if n > width:
                    step = width
                    value = word >> n - width
                    word = value
                    value = LONG | value << 4
                turned = 0
                k = 0
                while k < step:
                    turned = turned << 1 | word >> k & 1
                    k += 1
                while turned < size:
                    codes[at + turned] = value
                    turned += 1 << step
                code += 1
            i += 1
        n += 1
    return 1


@micropython.viper
def start(state: ptr32, data: ptr8, lengths: ptr8, order: ptr8) -> int:
    bits = state[BITS]
    held = state[HELD]
    at = state[AT]
    end = state[END]
    i = -3
    total = 0
    left = 0
    n = 0
    while i < 19:
        if held < 15:
            if at < end:
                bits |= data[at] << held
            at += 1
            held += 8
            continue
        k = 3
        if i < 0:
            k = 5 - (i + 3 >> 1)  # 5, 5, 4
        value = bits & (1 << k) - 1
        if i < 0:
            total |= value << 5 * (i + 3)
            left = value + 4
        elif i < left:
            n = order[i]
            lengths[n] = value
        else:
            n = order[i]
            lengths[n] = 0
            k = 0
        bits >>= k
        held -= k
        i += 1
    state[BITS] = bits
    state[HELD] = held
    state[AT] = at
    return total


@micropython.viper
def lengths(state: ptr32, data: ptr8, codes: ptr16, lengths: ptr8, count: int) -> int:
    bits = state[BITS]
    held = state[HELD]
    at = state[AT]
    end = state[END]
    i = 0
    last = 0
    while i < count:
        if held < 15:
            if at < end:
                bits |= data[at] << held
            at += 1
            held += 8
            continue
        code = codes[bits & (1 << LENGTHS_WIDTH) - 1]
        n = code & 15
        code >>= 4
        if n == 0 or (code == 16 and i == 0):
            return 0
        bits >>= n
        held -= n
        n = 1
        if code < 16:
            last = code
        else:
            extra = 2
            n = 3
            if code != 16:
                last = 0
                extra = 3
                if code == 18:
                    extra = 7
                    n = 11
            n += bits & (1 << extra) - 1
            bits >>= extra
            held -= extra
            if i + n > count:
                return 0
        while n:
            lengths[i] = last
            i += 1
            n -= 1
    state[BITS] = bits
    state[HELD] = held
    state[AT] = at
    return 1


@micropython.viper
def symbols(bits: int, held: int, code: int, state: ptr32, data: ptr8, codes: ptr16, window: ptr8, target: ptr8, to: int,
            old: ptr8, start: int, count: int, added: int) -> int:  # fmt: skip
    bits = state[BITS]
    held = state[HELD]
    at = state[AT]
    limit = state[LIMIT]
    made = state[MADE]
    length = state[LENGTH]
    back = state[BACK]
    start -= to
    first = to
    count += to
    table = far = 0
    mask = (1 << WIDTH) - 1
    if state[OPEN] == 0:
        count = to
    while to < count:
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
                break
            continue
        if far == 0:
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
                window[made & WINDOW - 1] = code
                made += 1
                if added:
                    code += old[start + to]
                target[to] = code
                to += 1
            if to == count or held < 15:
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
            break
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
    return to - first


@micropython.viper
def number(state: ptr32, data: ptr8, codes: ptr16, window: ptr8, digits: ptr8, count: int) -> int:
    bits = state[BITS]
    held = state[HELD]
    at = state[AT]
    made = state[MADE]
    length = state[LENGTH]
    back = state[BACK]
    value = 128
    if count:
        value = digits[count - 1]
    while value > 127 and count < 5 and state[OPEN]:
        if length:
            if back == 0:
                break
            value = window[made - back & WINDOW - 1]
            length -= 1
        else:
            if held < 15:
                if at > state[LIMIT]:
                    break
                bits |= data[at] << held | data[at + 1] << held + 8
                at += 2
                held += 16
            code = codes[bits & (1 << WIDTH) - 1]
            if code > 4095:
                break
            bits >>= code & 15
            held -= code & 15
            value = code >> 4
        window[made & WINDOW - 1] = value
        made += 1
        digits[count] = value
        count += 1
    state[BITS] = bits
    state[HELD] = held
    state[AT] = at
    state[MADE] = made
    state[LENGTH] = length
    if value > 127 or (count == 5 and value > 7):
        return -1 - count
    value = 0
    while count:
        count -= 1
        value = value << 7 | digits[count] & 127
    return value
