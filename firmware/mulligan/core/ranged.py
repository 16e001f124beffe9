"""Patch tier 2: what segments are made of, out of an adaptive range coder. The same methods as ``inflate.Inflated``."""

from array import array

from .contexts import (
    AT,
    CODE,
    DIFFERENCE,
    END,
    HALF,
    LIMIT,
    MANTISSA,
    NUMBER,
    PACKET,
    PRUNE,
    RANGE,
    RATE,
    ROOM,
    WEIGHT,
    WEIGHTS,
    WIDE,
    WORD,
    WORD_SET,
)
from .errors import PatchError
from .kinds import (
    ADD8,
    BASE,
    BEFORE,
    DIRECT8,
    DONE,
    FIRST,
    HUNGRY,
    KIND,
    LAST,
    LEFT,
    LITERAL,
    OTHERS,
    PLACE,
    PRUNE8,
    READ,
    REST,
    STATE,
    WIDE8,
)

try:
    from .blend_viper import copy
    from .entropy_viper import differences, number, weights, words
    from .packets_viper import packets
    from .wide_viper import wide
except (ImportError, SyntaxError, ValueError):  # CPython; no native emitter; .mpy of another architecture
    from .blend import copy
    from .entropy import differences, number, weights, wide, words
    from .packets import packets

#: For weights: classes of the running mean of |difference| end at these, in 1/64; then the shift of each one's Golomb code.
TABLES = array(
    "H",
    (
        1, 3, 6, 11, 18, 27, 38, 52, 72, 100, 140, 200, 300, 480, 900, 1600, 2600, 65535,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 3,
    ),
)  # fmt: skip

_INPUT = 512  # bytes of the compressed stream that are held
_AHEAD = 128  # more than one value, number or packet takes
_SPAN = (1 << 31) - 1
_NEVER = 1 << 29  # beyond any place of the input


class Ranged:
    """piece, old, reach: buffers and a method of the decoder of segments.

    rate: by which power of two a probability moves in the long run.
    """

    def __init__(self, piece, old, reach, rate):
        self._piece = piece
        self._old = old
        self._reach = reach
        self._input = bytearray(_INPUT)
        self._view = memoryview(self._input)
        self.state = array("I", bytes(4 * STATE))
        self._probs = bytearray(ROOM)
        self._rate = rate
        self.left = 0  # bytes of the chunk that were not read yet

    def begin(self, size):
        """A chunk of ``size`` bytes follows."""
        probs = self._probs
        probs[0] = HALF & 0xFF
        probs[1] = HALF >> 8
        copy(probs, 2, probs, 0, ROOM - 2)
        for i in range(DONE):
            self.state[i] = 0
        self.state[RATE] = self._rate
        if size:
            self.state[AT] = self.state[END] = 1  # beyond LIMIT: feed() must come first
        else:
            self.state[RANGE] = _SPAN
            self.state[LIMIT] = _NEVER
        self.left = size

    def hungry(self):
        """Whether feed() must come before number()."""
        return self.state[AT] > self.state[LIMIT]

    def feed(self, source):
        """Read once from ``source``. Raises: PatchError."""
        state = self.state
        start, end = state[AT], state[END]
        rest = end - start
        if rest < 0:
            raise PatchError("patch: damaged stream")
        copy(self._input, 0, self._input, start, rest)
        count = min(self.left, _INPUT - rest)
        source.readinto(self._view[rest : rest + count])
        self.left -= count
        state[AT] = 0
        state[END] = rest + count
        state[LIMIT] = rest + count - _AHEAD if self.left else _NEVER
        if not state[RANGE]:
            code = 0
            for i in range(4):
                code = code << 8 | (self._input[i] if i < count else 0)
            if code >= _SPAN:
                raise PatchError("patch: damaged stream")
            state[RANGE] = _SPAN
            state[CODE] = code
            state[AT] = 4

    def run(self):
        """Read the head of the next segment: OTHERS; HUNGRY if feed() must come first."""
        state = self.state
        if not state[READ] and not state[LEFT]:
            if state[AT] > state[LIMIT]:
                return HUNGRY
            self._number(state[KIND], NUMBER)
            state[READ] = 1
            if state[FIRST] == LITERAL:
                state[LAST] = max(1, state[BASE] + state[DONE] - state[PLACE])
                state[BEFORE] = 1
                state[PACKET] = state[REST] = 0
        return OTHERS

    def number(self, context):
        self._number(context, 0)
        return self.state[FIRST]

    def _number(self, context, base):
        number(0, 0, 0, self.state, self._probs, self._input, NUMBER + 24 * context, MANTISSA, base)

    def bytes(self, kind, to, start, count):
        """Fill up to ``count`` bytes of ``piece[to:]`` as ``kind`` has them, on ``old[start:]`` if that has a base; how many."""
        state, probs, data = self.state, self._probs, self._input  # three at once: MicroPython makes a tuple of more
        piece, old = self._piece, self._old
        if kind == LITERAL:
            return packets(0, 0, 0, state, probs, data, piece, to, old, count, self._reach)
        if kind == WIDE8:
            return wide(0, 0, 0, state, probs, data, piece, to, count, WIDE)
        if kind == ADD8:
            return differences(0, 0, 0, state, probs, data, piece, to, old, start, count, DIFFERENCE, state[DONE])
        direct = kind == DIRECT8
        base = WEIGHTS + WEIGHT * direct
        prune = PRUNE if kind == PRUNE8 else 0
        count = min(count, len(old))  # of a kind without a base too, which looks at it for nothing
        return weights(0, 0, 0, state, probs, data, TABLES, piece, to, old, start, count, base, prune, 0 if direct else 255)

    def words(self, count, which, to):
        """Add up to ``count`` differences to the first words of ``old``; how many; ``which``: the set of models."""
        return words(0, 0, 0, self.state, self._probs, self._input, self._old, count, WORD + WORD_SET * which, which)
