"""The models of patch tier 2 over an adaptive binary range coder, plain; ``entropy_viper`` has the kernels as machine code.

The coder is LZMA's (Igor Pavlov, "LZMA specification") with a range of 31 bits. A probability has 14 bits, and in two more how
often it was used, up to 3: at first it adapts fast. Each model is written once for both directions: ``bit(at, want)`` of a
decoder gives the bit that it reads, that of an encoder takes ``want``. The host brings the encoder.

state is an array of 32-bit words, probs a bytearray of 16-bit words, laid out as ``contexts`` says; ``base``, ``unary`` and
``mantissa`` tell a model where its probabilities begin.
"""

from .contexts import AT, CHANGED, CLASS, CODE, END, LIMIT, MEAN, PRUNED, RANGE, RATE, SIGN, SIGNS, WORDS
from .kinds import DISTANCE, FIRST, FLOATMUL, KINDS, LENGTH, REPEAT


class Decoder:
    """Bits out of ``data[state[AT]:state[END]]``, and zeros after it."""

    def __init__(self, state, probs, data):
        self._state = state
        self._probs = probs
        self._data = data

    def bit(self, at, want):
        state, probs = self._state, self._probs
        p = probs[2 * at] | probs[2 * at + 1] << 8
        count = p & 3
        p >>= 2
        bound = (state[RANGE] >> 14) * p
        shift = count + 1 if count < 3 else state[RATE]
        if state[CODE] < bound:
            state[RANGE] = bound
            p += 16384 - p >> shift
            found = 0
        else:
            state[CODE] -= bound
            state[RANGE] -= bound
            p -= p >> shift
            found = 1
        p = p << 2 | (count + 1 if count < 3 else 3)
        probs[2 * at] = p & 0xFF
        probs[2 * at + 1] = p >> 8
        self._normalise()
        return found

    def raw(self, want):
        state = self._state
        state[RANGE] >>= 1
        found = 0
        if state[CODE] >= state[RANGE]:
            state[CODE] -= state[RANGE]
            found = 1
        self._normalise()
        return found

    def steady(self, at, want):
        """A bit whose probability has 16 bits, and always moves by a 32nd."""
        state, probs = self._state, self._probs
        p = probs[2 * at] | probs[2 * at + 1] << 8
        bound = (state[RANGE] >> 12) * (p >> 4)
        found = int(state[CODE] >= bound)
        if found:
            state[CODE] -= bound
            state[RANGE] -= bound
        else:
            state[RANGE] = bound
        p += (31 if found else 65535) - p >> 5
        probs[2 * at] = p & 0xFF
        probs[2 * at + 1] = p >> 8
        self._normalise()
        return found

    def nibble(self, want):
        """Four bits that have no probability."""
        state = self._state
        state[RANGE] >>= 4
        state[CODE] = min(state[CODE], 16 * state[RANGE] - 1)  # which is less only in a damaged stream
        found = state[CODE] // state[RANGE]
        state[CODE] -= found * state[RANGE]
        self._normalise()
        return found

    def _normalise(self):
        state = self._state
        while state[RANGE] < 1 << 23:
            state[RANGE] <<= 8
            at = state[AT]
            # Less than the range, but after raw bits of a damaged stream.
            state[CODE] = (state[CODE] << 8 | (self._data[at] if at < state[END] else 0)) & 0xFFFFFFFF
            state[AT] = at + 1


def golomb(coder, unary, mantissa, want):
    """An Exp-Golomb number below 2**32 - 1: how many bits in unary, then the bits, the first two of them modelled."""
    want += 1
    bits = 0
    while bits < 31 and coder.bit(unary + min(bits, 23), want >> bits > 1):
        bits += 1
    value = 1
    mantissa += 3 * min(bits, 23)
    for i in range(bits - 1, -1, -1):
        b = want >> i & 1
        b = coder.bit(mantissa + value - 1, b) if value < 4 else coder.raw(b)
        value = value << 1 | b
    return value - 1


def weight(coder, state, tables, base, prune, old, want):
    """The difference (-128 to 127) to an int8 ``old``, modelled by ``old`` and by the running mean of the differences.

    tables: 18 upper bounds of the mean, in 1/64, then 18 shifts of the Golomb code. prune: 0, or where the probabilities of
    "the new value is 0" begin, which is then asked first.
    """
    if prune:
        history = state[PRUNED]
        alive = coder.bit(prune + min(abs(old), 63) * 4 + history, old + want & 0xFF != 0)
        state[PRUNED] = (history & 1) << 1 | alive
        if not alive:
            return -old
    sign = state[SIGN]
    cls = state[CLASS]
    at = base + 32 * cls
    near = 0 if old == 0 else 1 if -2 <= old <= 2 else 2
    size = abs(want)
    if coder.bit(at + 2 * near + (sign != 0), size != 0):
        sign = 1 + coder.bit(base + SIGNS + 3 * ((old > 0) + 2 * (old < 0)) + sign, want < 0)
        size -= 1
        k = tables[18 + cls]
        high = 0
        while high < 15 and coder.bit(at + 8 + high, size >> k > high):
            high += 1
        value = 0
        if high == 15:
            for i in range(6, -1, -1):
                value = value << 1 | coder.raw((size >> k) - 15 >> i & 1)
            high += value
            value = 0
        for i in range(k - 1, -1, -1):
            b = size >> i & 1
            b = coder.bit(at + 24 + min(high, 3) + (4 if i < k - 1 else 0), b) if i > k - 3 else coder.raw(b)
            value = value << 1 | b
        size = min((high << k | value) + 1, 128)
    else:
        sign = size = 0
    mean = state[MEAN] * 15 + min(size, 60) * 64 + 8 >> 4
    while mean >= tables[cls]:
        cls += 1
    while cls and mean < tables[cls - 1]:
        cls -= 1
    state[MEAN] = mean
    state[CLASS] = cls
    state[SIGN] = sign
    return -size if sign == 2 else size


def tree(coder, base, want):
    """A byte, its bits from the highest down, each modelled by those before it: 256 probabilities."""
    node = 1
    for i in range(7, -1, -1):
        node = node << 1 | coder.bit(base + node, want >> i & 1)
    return node & 0xFF


def wide_weight(coder, base, want):
    """A byte of which the upper four bits are a tree, and the lower ones are as good as random."""
    node = 1
    for i in range(7, 3, -1):
        node = node << 1 | coder.steady(base + node, want >> i & 1)
    return (node & 15) << 4 | coder.nibble(want & 15)


def difference(coder, state, base, at, want):
    """The difference modulo 256 of byte ``at`` of the artifact, modelled by which ones before it were not 0."""
    history = state[CHANGED]
    recent = history & 31 | history >> 2 & 32 | (64 if history >> 8 else 0)
    found = coder.bit(base + 4 * recent + (at & 3), want != 0)
    state[CHANGED] = (history << 1 | found) & 0xFFFF
    if found:
        found = tree(coder, base + 512 + 256 * (history & 1), want)
    return found


def word(coder, state, base, which, want):
    """A difference modulo 2**32, as a signed integer, modelled by how large the last one of its set ``which`` was."""
    which = WORDS + 2 * which
    state[which] = coder.bit(base + state[which], want != 0)
    if not state[which]:
        return 0
    negative = coder.bit(base + 2, want < 0)
    size = golomb(coder, base + 3 + 24 * min(state[which + 1] >> 1, 7), base + 3 + 192, abs(want) - 1) + 1
    bits = 0
    while size >> bits > 1:
        bits += 1
    state[which + 1] = bits
    return -size if negative else size


def number(_, __, ___, state, probs, data, unary, mantissa, base):
    """The kernel of golomb(), into the state; with a base, where the contexts of numbers begin, of the head of a segment.

    That is a kind, by ``unary``, a length and, but for the first two kinds, one more.
    """
    coder = Decoder(state, probs, data)
    state[FIRST] = kind = golomb(coder, unary, mantissa, 0)
    if base and kind < KINDS:
        state[FIRST + 1] = golomb(coder, base + 24 * (LENGTH + kind), mantissa, 0)
        if kind >= REPEAT:
            state[FIRST + 2] = golomb(coder, base + 24 * (DISTANCE + kind % FLOATMUL), mantissa, 0)


def weights(_, __, ___, state, probs, data, tables, target, to, old, start, count, base, prune, mask):
    """Fill ``target[to:]`` with up to ``count`` sums of ``old[start:]``, masked, and its differences; how many.

    Like all that have ``count``, it begins no value when less than what one may take is left of the input.
    """
    coder = Decoder(state, probs, data)
    done = 0
    while done < count and state[AT] <= state[LIMIT]:
        value = ((old[start + done] & mask) ^ 128) - 128
        target[to + done] = value + weight(coder, state, tables, base, prune, value, 0) & 0xFF
        done += 1
    return done


def differences(_, __, ___, state, probs, data, target, to, old, start, count, base, place):
    """Fill ``target[to:]`` with up to ``count`` sums of ``old[start:]`` and its differences; how many."""
    coder = Decoder(state, probs, data)
    done = 0
    while done < count and state[AT] <= state[LIMIT]:
        target[to + done] = old[start + done] + difference(coder, state, base, place + done, 0) & 0xFF
        done += 1
    return done


def wide(_, __, ___, state, probs, data, target, to, count, base):
    """Fill ``target[to:]`` with up to ``count`` bytes, which are weights spread over all values; how many."""
    coder = Decoder(state, probs, data)
    done = 0
    while done < count and state[AT] <= state[LIMIT]:
        target[to + done] = wide_weight(coder, base, 0)
        done += 1
    return done


def words(_, __, ___, state, probs, data, target, count, base, which):
    """Add their differences to up to ``count`` words of ``target``; how many."""
    coder = Decoder(state, probs, data)
    done = 0
    while done < count and state[AT] <= state[LIMIT]:
        value = word(coder, state, base, which, 0)
        for i in range(4 * done, 4 * done + 4):
            value += target[i]
            target[i] = value & 0xFF
            value >>= 8
        done += 1
    return done
