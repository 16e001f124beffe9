"""Patch tier 2: what segments are made of, out of an adaptive range coder. The same methods as ``inflate.Inflated``."""

from array import array

from . import contexts as c
from .errors import PatchError
from .kinds import ADD8, DIRECT8, LITERAL, PRUNE8

try:
    from .blend_viper import copy
    from .entropy_viper import differences, literals, number, weights, words
except (ImportError, SyntaxError, ValueError):  # CPython; no native emitter; .mpy of another architecture
    from .blend import copy
    from .entropy import differences, literals, number, weights, words

_INPUT = 768  # bytes of the compressed stream that are held
_AHEAD = 64  # more than one value or number takes
_SPAN = (1 << 31) - 1


class Ranged:
    """rate: by which power of two a probability moves in the long run."""

    def __init__(self, rate):
        self._input = bytearray(_INPUT)
        self._view = memoryview(self._input)
        self._state = array("I", bytes(4 * c.STATE))
        self._probs = bytearray(c.ROOM)
        self._rate = rate
        self.left = 0  # bytes of the chunk that were not read yet

    def begin(self, size):
        """A chunk of ``size`` bytes follows."""
        probs = self._probs
        probs[0] = c.HALF & 0xFF
        probs[1] = c.HALF >> 8
        copy(probs, 2, probs, 0, c.ROOM - 2)
        for i in range(c.STATE):
            self._state[i] = 0
        self._state[c.RATE] = self._rate
        self._state[c.LIMIT] = _SPAN
        if not size:
            self._state[c.RANGE] = _SPAN
        self.left = size

    def hungry(self):
        """Whether feed() must come before number()."""
        return self.left and self._state[c.END] - self._state[c.AT] < _AHEAD

    def held(self):
        """How many bytes were read and not used yet."""
        return self._state[c.END] - self._state[c.AT]

    def feed(self, source):
        """Read once from ``source``, at most 256 bytes. Raises: PatchError."""
        state = self._state
        start, end = state[c.AT], state[c.END]
        rest = end - start
        self._view[:rest] = self._view[start:end]
        count = min(self.left, _INPUT - rest)
        source.readinto(self._view[rest : rest + count])
        self.left -= count
        state[c.AT] = 0
        state[c.END] = rest + count
        state[c.LIMIT] = rest + count - _AHEAD if self.left else _SPAN
        if not state[c.RANGE]:
            code = 0
            for i in range(4):
                code = code << 8 | (self._input[i] if i < count else 0)
            if code >= _SPAN:
                raise PatchError("patch: damaged stream")
            state[c.RANGE] = _SPAN
            state[c.CODE] = code
            state[c.AT] = 4

    def number(self, context):
        return number(0, 0, 0, self._state, self._probs, self._input, c.NUMBER + 24 * context, c.MANTISSA)

    def bytes(self, kind, target, to, old, start, count, place):
        """Fill up to ``count`` bytes of ``target[to:]`` as ``kind`` has them, on ``old[start:]`` if that has a base; how many."""
        state, probs, data = self._state, self._probs, self._input
        if kind == LITERAL:
            return literals(0, 0, 0, state, probs, data, target, to, count, c.LITERAL)
        if kind == ADD8:
            return differences(0, 0, 0, state, probs, data, target, to, old, start, count, c.DIFFERENCE, place)
        direct = kind == DIRECT8
        base = c.WEIGHTS + c.WEIGHT * direct
        prune = c.PRUNE if kind == PRUNE8 else 0
        count = min(count, len(old))  # of a kind without a base too, which looks at it for nothing
        return weights(0, 0, 0, state, probs, data, c.TABLES, target, to, old, start, count, base, prune, 0 if direct else 255)

    def words(self, target, count, which, scratch, at):
        """Add up to ``count`` differences to the words of ``target``; how many; ``which``: the set of models."""
        base = c.WORD + c.WORD_SET * which
        return words(0, 0, 0, self._state, self._probs, self._input, target, count, base, which)
