"""Patch tier 2: what segments are made of, out of an adaptive range coder. The same methods as ``inflate.Inflated``."""

from array import array

from . import contexts as c
from .errors import PatchError
from .kinds import ADD8, DIRECT8, DONE, FIRST, HUNGRY, KIND, LEFT, LITERAL, OTHERS, PRUNE8, READ, STATE, WIDE8

try:
    from .blend_viper import copy
    from .entropy_viper import differences, number, weights, words
    from .trees_viper import literals, wide
except (ImportError, SyntaxError, ValueError):  # CPython; no native emitter; .mpy of another architecture
    from .blend import copy
    from .entropy import differences, literals, number, weights, wide, words

_INPUT = 768  # bytes of the compressed stream that are held
_AHEAD = 64  # more than one value or number takes
_SPAN = (1 << 31) - 1
_NEVER = 1 << 29  # beyond any place of the input


class Ranged:
    """piece, old: buffers of the decoder of segments. rate: by which power of two a probability moves in the long run."""

    def __init__(self, piece, old, rate):
        self._piece = piece
        self._old = old
        self._input = bytearray(_INPUT)
        self._view = memoryview(self._input)
        self.state = array("I", bytes(4 * STATE))
        self._probs = bytearray(c.ROOM)
        self._rate = rate
        self.left = 0  # bytes of the chunk that were not read yet

    def begin(self, size):
        """A chunk of ``size`` bytes follows."""
        probs = self._probs
        probs[0] = c.HALF & 0xFF
        probs[1] = c.HALF >> 8
        copy(probs, 2, probs, 0, c.ROOM - 2)
        for i in range(DONE):
            self.state[i] = 0
        self.state[c.RATE] = self._rate
        if size:
            self.state[c.AT] = self.state[c.END] = 1  # beyond LIMIT: feed() must come first
        else:
            self.state[c.RANGE] = _SPAN
            self.state[c.LIMIT] = _NEVER
        self.left = size

    def hungry(self):
        """Whether feed() must come before number()."""
        return self.state[c.AT] > self.state[c.LIMIT]

    def feed(self, source):
        """Read once from ``source``, at most 256 bytes. Raises: PatchError."""
        state = self.state
        start, end = state[c.AT], state[c.END]
        rest = end - start
        self._view[:rest] = self._view[start:end]
        count = min(self.left, _INPUT - rest)
        source.readinto(self._view[rest : rest + count])
        self.left -= count
        state[c.AT] = 0
        state[c.END] = rest + count
        state[c.LIMIT] = rest + count - _AHEAD if self.left else _NEVER
        if not state[c.RANGE]:
            code = 0
            for i in range(4):
                code = code << 8 | (self._input[i] if i < count else 0)
            if code >= _SPAN:
                raise PatchError("patch: damaged stream")
            state[c.RANGE] = _SPAN
            state[c.CODE] = code
            state[c.AT] = 4

    def run(self):
        """Read the head of the next segment: OTHERS; HUNGRY if feed() must come first."""
        state = self.state
        if not state[READ] and not state[LEFT]:
            if state[c.AT] > state[c.LIMIT]:
                return HUNGRY
            self._number(state[KIND], c.NUMBER)
            state[READ] = 1
        return OTHERS

    def number(self, context):
        self._number(context, 0)
        return self.state[FIRST]

    def _number(self, context, base):
        number(0, 0, 0, self.state, self._probs, self._input, c.NUMBER + 24 * context, c.MANTISSA, base)

    def bytes(self, kind, to, start, count):
        """Fill up to ``count`` bytes of ``piece[to:]`` as ``kind`` has them, on ``old[start:]`` if that has a base; how many."""
        state, probs, data = self.state, self._probs, self._input  # three at once: MicroPython makes a tuple of more
        piece, old = self._piece, self._old
        if kind == LITERAL:
            return literals(0, 0, 0, state, probs, data, piece, to, count, c.LITERAL)
        if kind == WIDE8:
            return wide(0, 0, 0, state, probs, data, piece, to, count, c.WIDE)
        if kind == ADD8:
            return differences(0, 0, 0, state, probs, data, piece, to, old, start, count, c.DIFFERENCE, state[DONE])
        direct = kind == DIRECT8
        base = c.WEIGHTS + c.WEIGHT * direct
        prune = c.PRUNE if kind == PRUNE8 else 0
        count = min(count, len(old))  # of a kind without a base too, which looks at it for nothing
        return weights(0, 0, 0, state, probs, data, c.TABLES, piece, to, old, start, count, base, prune, 0 if direct else 255)

    def words(self, count, which, to):
        """Add up to ``count`` differences to the first words of ``old``; how many; ``which``: the set of models."""
        return words(0, 0, 0, self.state, self._probs, self._input, self._old, count, c.WORD + c.WORD_SET * which, which)
