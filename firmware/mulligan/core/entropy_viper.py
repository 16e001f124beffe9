"""The kernels of ``entropy`` as machine code, for ports with a native emitter. Right on words of 32 bits (ESP32) and of 64.

Each has one place where a bit is decoded, and ``step`` says what the bit is for: so the code is small, and the coder's state is
in local variables. ``at`` is the probability to use, less than 0 for a bit that has none. The numbers of ``state`` are those of
``contexts``. A port keeps the first three arguments of a function in registers: they are what is used most, and nothing is passed
by them.
"""

import micropython

from .kinds import DISTANCE, FIRST, FLOATMUL, KINDS, LENGTH, REPEAT


@micropython.viper
def number(at: int, p: int, bound: int, state: ptr32, probs: ptr16, data: ptr8, unary: int, mantissa: int, base: int):
    span = state[0]
    code = state[1]
    pos = state[2]
    end = state[3]
    rate = state[5]
    count = bits = row = 0
    left = -1  # bits of the mantissa to come; -1: the unary part
    value = 1
    at = unary
    while True:
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
        if left < 0:
            if bit:
                bits += 1
                if bits < 31:
                    if bits < 24:
                        at += 1
                    continue
            left = bits
            row = mantissa + 3 * (bits if bits < 23 else 23) - 1
        else:
            value = value << 1 | bit
            left -= 1
        if left:
            at = row + value if value < 4 else -1
            continue
        state[FIRST + count] = value - 1
        kind = state[FIRST]
        if base == 0 or count == 2 or kind < 0 or kind >= KINDS or (count == 1 and kind < REPEAT):
            break
        count += 1
        if count == 1:
            at = base + 24 * (LENGTH + kind)
        else:
            at = base + 24 * (DISTANCE + (kind if kind < FLOATMUL else 0))
        bits = 0
        left = -1
        value = 1
    state[0] = span
    state[1] = code
    state[2] = pos


@micropython.viper
def weights(at: int, p: int, bound: int, state: ptr32, probs: ptr16, data: ptr8, tables: ptr16, target: ptr8, to: int, old: ptr8,
            start: int, count: int, base: int, prune: int, mask: int) -> int:  # fmt: skip
    span = state[0]
    code = state[1]
    pos = state[2]
    end = state[3]
    rate = state[5]
    limit = state[4]
    mean = state[6]
    cls = state[7]
    sign = state[8]
    history = state[9]
    done = at = step = size = high = k = left = o = near = row = 0
    while True:
        if step == 0:  # the next value
            if done == count or pos > limit:
                break
            o = ((old[start + done] & mask) ^ 128) - 128
            size = o if o >= 0 else 0 - o
            row = base + 32 * cls
            near = row
            if sign:
                near += 1
            if size > 2:
                near += 4
            elif size:
                near += 2
            at = near
            step = 2
            if prune:
                at = prune + 4 * (size if size < 63 else 63) + history
                step = 1
            size = 0
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
        if step == 4:  # the magnitude's upper part, in unary
            if bit:
                high += 1
                at += 1
                if high < 15:
                    continue
                left = 7
                at = -1
                step = 5
                size = 0
                continue
            size = high
            left = k
            near = row + 24 + (high if high < 3 else 3)
            at = near
            step = 6
        elif step == 2:  # whether it differs
            if bit:
                at = base + 576 + sign
                if o > 0:
                    at += 3
                elif o < 0:
                    at += 6
                step = 3
                continue
            sign = 0
            step = 7
        elif step == 3:
            sign = 1 + bit
            k = tables[18 + cls]
            high = 0
            at = row + 8
            step = 4
            continue
        elif step == 6:
            size = size << 1 | bit
            left -= 1
            at = near + 4 if left == k - 1 else -1
        elif step == 1:
            history = (history & 1) << 1 | bit
            if bit:
                at = near
                step = 2
            else:
                target[to + done] = 0
                done += 1
                step = 0
            continue
        else:  # a magnitude beyond the unary part
            size = size << 1 | bit
            left -= 1
            if left:
                continue
            size += 15
            left = k
            near = row + 24 + 3
            at = near
            step = 6
        if step == 6:
            if left:
                continue
            size += 1
            if size > 128:
                size = 128
        target[to + done] = o - size if sign == 2 else o + size
        done += 1
        step = 0
        mean = mean * 15 + 64 * (size if size < 60 else 60) + 8 >> 4
        while mean >= tables[cls]:
            cls += 1
        while cls and mean < tables[cls - 1]:
            cls -= 1
    state[0] = span
    state[1] = code
    state[2] = pos
    state[6] = mean
    state[7] = cls
    state[8] = sign
    state[9] = history
    return done


@micropython.viper
def differences(at: int, p: int, bound: int, state: ptr32, probs: ptr16, data: ptr8, target: ptr8, to: int, old: ptr8,
                start: int, count: int, base: int, place: int) -> int:  # fmt: skip
    span = state[0]
    code = state[1]
    pos = state[2]
    end = state[3]
    rate = state[5]
    limit = state[4]
    history = state[10]
    done = trees = at = node = 0
    while True:
        if node == 0:
            if done == count or pos > limit:
                break
            at = history & 31 | history >> 2 & 32
            if history >> 8:
                at |= 64
            at = base + 4 * at + (place + done & 3)
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
        if node == 0:
            if bit:
                trees = base + 512 + 256 * (history & 1)
                node = 1
            history = (history << 1 | bit) & 0xFFFF
        else:
            node = node << 1 | bit
        if node == 0 or node > 255:
            target[to + done] = old[start + done] + node
            done += 1
            node = 0
        at = trees + node
    state[0] = span
    state[1] = code
    state[2] = pos
    state[10] = history
    return done


@micropython.viper
def words(at: int, p: int, bound: int, state: ptr32, probs: ptr16, data: ptr8, target: ptr32, count: int, base: int,
          which: int) -> int:  # fmt: skip
    span = state[0]
    code = state[1]
    pos = state[2]
    end = state[3]
    rate = state[5]
    limit = state[4]
    which = 11 + 2 * which
    changed = state[which]
    length = state[which + 1]
    done = at = step = bits = left = value = sign = 0
    while True:
        if step == 0:
            if done == count or pos > limit:
                break
            at = base + changed
            step = 1
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
        if step == 4:
            value = value << 1 | bit
            left -= 1
        elif step == 3:
            if bit:
                bits += 1
                if bits < 31:
                    if bits < 24:
                        at += 1
                    continue
            left = bits
            value = 1
            step = 4
        elif step == 1:
            changed = bit
            if bit:
                at = base + 2
                step = 2
            else:
                done += 1
                step = 0
            continue
        else:
            sign = bit
            bits = 0
            at = length >> 1
            at = base + 3 + 24 * (at if at < 7 else 7)
            step = 3
            continue
        if left == 0:
            target[done] = target[done] - value if sign else target[done] + value
            done += 1
            length = bits
            step = 0
            continue
        at = -1
        if value < 4:
            at = base + 3 + 192 + 3 * (bits if bits < 23 else 23) + value - 1
    state[0] = span
    state[1] = code
    state[2] = pos
    state[which] = changed
    state[which + 1] = length
    return done
