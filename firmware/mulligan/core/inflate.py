"""Patch tier 1: what segments are made of, out of a raw deflate stream (RFC 1951) with a window of 1 KB.

The firmware's own inflater takes its codes bit by bit, and wants its input when it wants it. This one looks codes up, which
takes a third of the time, and stops wherever the download does.
"""

from array import array

from .codes import (
    AT,
    BACK,
    BITS,
    CODES,
    DISTANCE_WIDTH,
    DISTANCES,
    END,
    FIRST_DISTANCE,
    HELD,
    LENGTH,
    LENGTHS_WIDTH,
    LIMIT,
    OPEN,
    STATE,
    WIDTH,
    WINDOW,
)
from .errors import PatchError
from .kinds import COPY, LITERAL

try:
    from .blend_viper import copy, gather32
    from .huffman_viper import build, lengths, number, start, symbols
except (ImportError, SyntaxError, ValueError):  # CPython; no native emitter; .mpy of another architecture
    from .blend import copy, gather32
    from .huffman import build, lengths, number, start, symbols

_HEAD = 320  # more bytes than the head of a block takes
_AHEAD = _HEAD + 96  # and more than all numbers take that are asked for between two looks at hungry()
_INPUT = 768
_SYMBOL = 8  # bytes that a symbol may take
ORDER = b"\x10\x11\x12\0\x08\x07\x09\x06\x0a\x05\x0b\x04\x0c\x03\x0d\x02\x0e\x01\x0f"  # of the lengths of codes of lengths


class Inflated:
    def __init__(self):
        self._input = bytearray(_INPUT + _SYMBOL)
        self._view = memoryview(self._input)
        self._state = array("I", bytes(4 * STATE))
        self._codes = array("H", bytes(2 * CODES))
        self._window = bytearray(WINDOW)
        self._lengths = bytearray(320)
        self._digits = bytearray(5)  # of a number
        self.left = 0  # bytes of the chunk that were not read yet

    def begin(self, size):
        """A chunk of ``size`` bytes follows."""
        for i in range(STATE):
            self._state[i] = 0
        self._last = self._part = 0  # whether this is the last block; bytes that there are of the next words
        self.left = size

    def hungry(self):
        """Whether feed() must come before number()."""
        return self.left and self._state[END] - self._state[AT] < _AHEAD

    def held(self):
        """How many bytes were read and not used yet."""
        return self._state[END] - self._state[AT]

    def feed(self, source):
        """Read once from ``source``."""
        state = self._state
        at = state[AT]
        rest = state[END] - at
        copy(self._input, 0, self._input, at, rest)
        count = min(self.left, _INPUT - rest)
        source.readinto(self._view[rest : rest + count])
        self.left -= count
        state[AT] = 0
        state[END] = rest + count
        # The last symbol may be looked for in some bytes more than there are.
        state[LIMIT] = rest + count - _SYMBOL if self.left else rest + count + 2

    def number(self, context):
        """An unsigned LEB128 integer of 31 bits at most. Raises: PatchError."""
        digits = self._digits
        count = 0
        while True:
            value = number(self._state, self._input, self._codes, self._window, digits, count)
            if value >= 0:
                return value
            count = ~value
            if count == 5 or not self.bytes(LITERAL, digits, count, digits, 0, 1, 0):
                raise _damaged()
            count += 1

    def words(self, target, count, which, scratch, at):
        """Add ``count`` differences to the words of ``target``; how many: 0 if feed() must come first. Raises: PatchError.

        ``scratch[at:]``: 4 bytes each, which stay as they are until all have come.
        """
        self._part += self.bytes(LITERAL, scratch, at + self._part, target, 0, 4 * count - self._part, 0)
        if self._part < 4 * count:
            return 0
        self._part = 0
        gather32(target, scratch, at, count)
        return count

    def bytes(self, kind, target, to, old, start, count, place):
        """Fill up to ``count`` bytes of ``target[to:]``, for what has a base with the sums of ``old[start:]`` and what is read.

        How many: 0 if feed() must come first. Raises: PatchError.
        """
        state = self._state
        done = 0
        while True:
            made = symbols(
                0, 0, 0, state, self._input, self._codes, self._window, target, to, old, start, count - done, kind >= COPY
            )
            if made < 0:
                raise _damaged()
            done += made
            if done == count:
                return done
            if state[OPEN] or not self._begin_block():
                if not self.left:
                    raise _damaged()
                return done
            to += made
            start += made

    def _begin_block(self):
        """Read the head of the next block, which must be; whether it is there. Raises: PatchError."""
        state, data, codes, sizes = self._state, self._input, self._codes, self._lengths
        if self._last or state[AT] - (state[HELD] >> 3) > state[END]:
            raise _damaged()
        if self.left and self.held() < _HEAD:
            return False
        if state[HELD] < 3:
            state[BITS] |= data[state[AT]] << state[HELD]
            state[AT] += 1
            state[HELD] += 8
        way = state[BITS] & 7
        state[BITS] >>= 3
        state[HELD] -= 3
        self._last = way & 1
        way >>= 1
        count = 288
        others = 30
        if way == 0:
            at = state[AT] - (state[HELD] >> 3)
            count = data[at] | data[at + 1] << 8
            if count ^ 0xFFFF != data[at + 2] | data[at + 3] << 8:
                raise _damaged()
            state[BITS] = state[HELD] = state[BACK] = 0
            state[AT] = at + 4
            state[LENGTH] = count
            state[OPEN] = count > 0
            return True
        if way == 1:
            for i in range(318):
                sizes[i] = 8 if i < 144 else 9 if i < 256 else 7 if i < 280 else 8 if i < 288 else 5
        else:
            head = start(state, data, sizes, ORDER)
            count = 257 + (head & 31)
            others = 1 + (head >> 5 & 31)
            if way == 3 or not (
                build(codes, sizes, 0, 19, 0, LENGTHS_WIDTH, 0) and lengths(state, data, codes, sizes, count + others)
            ):
                raise _damaged()
        if not (
            build(codes, sizes, 0, count, 0, WIDTH, 0)
            and build(codes, sizes, count, others, DISTANCES, DISTANCE_WIDTH, FIRST_DISTANCE)
        ):
            raise _damaged()
        state[OPEN] = 1
        return True


def _damaged():
    return PatchError("patch: damaged stream")
