"""What ``huffman`` does, as machine code, for ports with a native emitter. Right on words of 32 bits (ESP32) and of 64.

A port keeps the first three arguments of a function in registers. Where these are not used, they are there for that.
"""

import micropython

from .codes import (
    AT,
    BITS,
    END,
    HELD,
    LENGTHS_WIDTH,
    LONG,
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
