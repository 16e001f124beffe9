"""What ``packets`` does, as machine code: beside ``entropy_viper``, which says more.

``step`` is what the next bit is for: 0 whether there is a match, 1 a literal, 2 whether its distance is remembered, 3 which one
it is, 4 whether it has more than one byte, 5 the size of its length, 6 that length, 7 the size of its distance, 8 that distance.
"""

import micropython

from .contexts import (
    AGAIN,
    LARGEST,
    LENGTH_MANTISSA,
    LENGTHS,
    LENGTHS_AGAIN,
    LITERAL,
    LONGER,
    MATCH,
    MATCHED,
    MATCHED_FROM,
    NONE,
    OTHER,
    PACKET,
    PENDING,
    SLOTS,
    TAILS,
)
from .kinds import BASE, BEFORE, DONE, FILL, LAST, MAX_SIZE, OLD, OLD_END, PIECE, REST, SINCE


@micropython.viper
def packets(at: int, p: int, bound: int, state: ptr32, probs: ptr16, data: ptr8, target: ptr8, to: int, old: ptr8,
            count: int, reach) -> int:  # fmt: skip
    span = state[0]
    code = state[1]
    pos = state[2]
    end = state[3]
    limit = state[4]
    rate = state[5]
    packet = state[PACKET]
    last = state[LAST]
    before = state[BEFORE]
    rest = state[REST]
    flashed = state[DONE] - state[FILL]
    since = state[SINCE]
    held = state[BASE] - state[OLD]
    holds = state[OLD_END] - state[OLD]
    start = to
    count += to
    step = node = likely = size = value = left = length = new = 0
    while True:
        if step == 0:
            while rest and to < count:
                n = flashed + to - last
                size = rest
                if size > count - to:
                    size = count - to
                if n >= flashed or (last <= PIECE and n >= since):
                    n -= flashed
                    if n < 0:  # what the piece held before
                        if size > 0 - n:
                            size = 0 - n
                        n += PIECE
                    rest -= size
                    size += to
                    while to < size:
                        target[to] = target[n]
                        to += 1
                        n += 1
                    continue
                if n + held < 0 or n + held >= holds:
                    reach(n + state[BASE])
                    held = state[BASE] - state[OLD]
                    holds = state[OLD_END] - state[OLD]
                n += held
                if size > holds - n:
                    size = holds - n
                rest -= size
                size += to
                while to < size:
                    target[to] = old[n]
                    to += 1
                    n += 1
            if to == count:
                break
            if packet < PENDING:
                if pos > limit:
                    break
                at = MATCH + packet
            else:  # it is known that a literal comes
                likely = NONE
                if packet >= PENDING + MATCHED_FROM:
                    n = flashed + to - last
                    if n >= flashed:
                        likely = target[n - flashed]
                    elif last <= PIECE and n >= since:
                        likely = target[n - flashed + PIECE]
                    else:
                        if n + held < 0 or n + held >= holds:
                            reach(n + state[BASE])
                            held = state[BASE] - state[OLD]
                            holds = state[OLD_END] - state[OLD]
                        likely = old[n + held]
                    at = MATCHED + 1 + ((likely & 128) << 1)
                node = 1
                step = 1
        if step == 1 and likely == NONE:  # to the end of this literal, and of all that follow it
            step = 0
            packet -= PENDING
            while True:
                at = LITERAL + node
                if node > 255:
                    target[to] = node
                    to += 1
                    packet -= 3 if packet < 10 else 6
                    if packet < 0:
                        packet = 0
                    if to == count or pos > limit:
                        break
                    node = 0
                    at = MATCH + packet
                p = probs[at]
                bound = (span >> 14) * (p >> 2)
                shift = rate
                if p & 3 < 3:
                    p += 1
                    shift = p & 3
                if code < bound:
                    span = bound
                    probs[at] = p + (65539 - p >> shift & -4)
                    bit = 0
                else:
                    code -= bound
                    span -= bound
                    probs[at] = p - (p >> shift & -4)
                    bit = 1
                while span < 0x800000:
                    span <<= 8
                    code <<= 8
                    if pos < end:
                        code |= data[pos]
                    pos += 1
                if node:
                    node = node << 1 | bit
                elif bit:
                    at = AGAIN + packet
                    step = 2
                    break
                else:
                    node = 1
            continue
        if at < 0:
            span >>= 1
            bit = 0
            if code >= span:
                code -= span
                bit = 1
        else:
            p = probs[at]
            bound = (span >> 14) * (p >> 2)
            shift = rate
            if p & 3 < 3:
                p += 1
                shift = p & 3
            if code < bound:
                span = bound
                probs[at] = p + (65539 - p >> shift & -4)
                bit = 0
            else:
                code -= bound
                span -= bound
                probs[at] = p - (p >> shift & -4)
                bit = 1
        while span < 0x800000:
            span <<= 8
            code <<= 8
            if pos < end:
                code |= data[pos]
            pos += 1
        if step == 1:
            node = node << 1 | bit
            if likely >> 7 == bit and node < 256:
                likely = likely << 1 & 255
                at = MATCHED + node + ((likely & 128) << 1)
            else:
                likely = NONE
            continue
        if step == 0:
            if bit:
                at = AGAIN + packet
                step = 2
            else:
                packet += PENDING
            continue
        if step == 2:
            new = 1 - bit
            if bit:
                at = OTHER + packet
                step = 3
                continue
            at = LENGTHS
        elif step < 5:
            if step == 3:
                if bit == 0:
                    at = LONGER + packet
                    step = 4
                    continue
                n = last
                last = before
                before = n
            elif bit == 0:
                rest = 1
                packet = 9 if packet < MATCHED_FROM else 11
                step = 0
                continue
            packet = 8 if packet < MATCHED_FROM else 11
            at = LENGTHS_AGAIN
        if step < 5:
            size = 0
            step = 5
            continue
        if step == 5:
            if bit:
                size += 1
                if size < 31:
                    if size < 24:
                        at += 1
                    continue
            left = size
            value = 1
            step = 6
        elif step == 7:
            node = node << 1 | bit
            if node < 32:
                at = SLOTS + 32 * length + node
                continue
            size = node & 31
            if size > LARGEST:
                size = LARGEST
            left = size
            value = 1
            step = 8
        else:
            value = value << 1 | bit
            left -= 1
        if left:
            at = -1
            if value < 4:
                at = TAILS + 3 * size + value - 1
                if step == 6:
                    at = LENGTH_MANTISSA + 3 * (size if size < 23 else 23) + value - 1
            continue
        if step == 6:
            if size > 27:
                value = MAX_SIZE
            rest = value + 1
            step = 0
            if new:
                length = value - 1 if value < 4 else 3
                node = 1
                at = SLOTS + 32 * length + 1
                step = 7
        else:
            before = last
            last = value
            packet = 7 if packet < MATCHED_FROM else 10
            step = 0
    state[0] = span
    state[1] = code
    state[2] = pos
    state[PACKET] = packet
    state[LAST] = last
    state[BEFORE] = before
    state[REST] = rest
    return to - start
