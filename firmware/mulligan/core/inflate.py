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
    FROM,
    HELD,
    LENGTH,
    LENGTHS_WIDTH,
    LIMIT,
    LOW,
    MANY,
    NUMBERS,
    OPEN,
    PLAIN,
    RUN,
    TO,
    WIDTH,
    WINDOW,
)
from .errors import PatchError
from .kinds import COPY, DONE, FIRST, STATE

try:
    from .blend_viper import copy, gather32
    from .huffman_viper import build, lengths, start
    from .symbols_viper import symbols
except (ImportError, SyntaxError, ValueError):  # CPython; no native emitter; .mpy of another architecture
    from .blend import copy, gather32
    from .huffman import build, lengths, start
    from .symbols import symbols

_HEAD = 320  # more bytes than the head of a block takes
_AHEAD = _HEAD + 96  # and more than all numbers take that are asked for between two looks at hungry()
_INPUT = 768
_NEVER = 2 * _INPUT  # beyond any place of the input
_SYMBOL = 8  # bytes that a symbol may take
ORDER = b"\x10\x11\x12\0\x08\x07\x09\x06\x0a\x05\x0b\x04\x0c\x03\x0d\x02\x0e\x01\x0f"  # of the lengths of codes of lengths


class Inflated:
    """piece, old, reach: buffers and a method of the decoder of segments."""

    def __init__(self, piece, old, reach):
        self._piece = piece
        self._old = old
        self._input = bytearray(_INPUT + _SYMBOL)
        self._view = memoryview(self._input)
        self.state = array("I", bytes(4 * STATE))
        self._codes = array("H", bytes(2 * CODES))
        self._lengths = bytearray(320)
        self._buffers = self.state, self._input, self._codes, bytearray(WINDOW), piece, old, reach
        self.left = 0  # bytes of the chunk that were not read yet

    def begin(self, size):
        """A chunk of ``size`` bytes follows."""
        for i in range(DONE):
            self.state[i] = 0
        self._last = 0  # whether this is the last block
        self.left = size
        self.state[LOW] = 0 if size else _NEVER

    def hungry(self):
        """Whether feed() must come before number()."""
        return self.state[AT] >= self.state[LOW]

    def feed(self, source):
        """Read once from ``source``."""
        state = self.state
        # Whole bytes of the bits that are held are given back: a stored block begins with them.
        at = state[AT] - (state[HELD] >> 3)
        state[HELD] &= 7
        state[BITS] &= (1 << state[HELD]) - 1
        rest = state[END] - at
        copy(self._input, 0, self._input, at, rest)
        count = min(self.left, _INPUT - rest)
        source.readinto(self._view[rest : rest + count])
        self.left -= count
        end = rest + count
        state[AT] = 0
        state[END] = end
        # At the end, what is held of the stream may begin so many bytes before the next that is read.
        state[LIMIT] = end - _SYMBOL if self.left else end + 4
        state[LOW] = max(0, end - _AHEAD) if self.left else _NEVER

    def run(self, use=RUN):
        """Go on with the segments as far as the stream takes them: HUNGRY, OTHERS or FULL.

        Or with what else ``symbols`` does, over as many blocks as that takes. Raises: PatchError.
        """
        while True:
            way = symbols(0, 0, 0, self._buffers, use)
            if way < 0:
                raise _damaged()
            if way or self.state[OPEN] or not self._begin_block():
                if not way and not self.left:
                    raise _damaged()
                return way

    def number(self, context):
        """The next number, of 31 bits at most; feed() must not have to come first. Raises: PatchError."""
        state = self.state
        state[MANY] = 1
        if not self.run(NUMBERS):
            raise _damaged()
        state[MANY] = 0
        return state[FIRST]

    def words(self, count, which, to):
        """Add ``count`` differences to the first words of ``old``; how many: 0 if feed() must come first. Raises: PatchError.

        They come to ``piece[to:]``, 4 bytes each, which stay as they are until all are there.
        """
        state = self.state
        if not state[MANY]:
            state[TO] = to
            state[MANY] = 4 * count
        if not self.run(PLAIN):
            return 0
        gather32(self._old, self._piece, to, count)
        return count

    def bytes(self, kind, to, start, count):
        """Fill up to ``count`` bytes of ``piece[to:]``, for what has a base with the sums of ``old[start:]`` and what is read.

        How many: 0 if feed() must come first. Raises: PatchError.
        """
        state = self.state
        state[TO] = to
        state[FROM] = start
        state[MANY] = count
        self.run(kind >= COPY)
        count -= state[MANY]
        state[MANY] = 0
        return count

    def _begin_block(self):
        """Read the head of the next block, which must be; whether it is there. Raises: PatchError."""
        state, data, codes, sizes = self.state, self._input, self._codes, self._lengths
        if self._last or state[AT] - (state[HELD] >> 3) > state[END]:
            raise _damaged()
        if self.left and state[END] - state[AT] < _HEAD:
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
