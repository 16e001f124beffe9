"""Patch tier 2: what segments are made of, out of an adaptive range coder. The same methods as ``inflate.Inflated``."""

from array import array

from . import contexts as at
from .errors import PatchError
from .kinds import ADD8, DIRECT8, LITERAL, PRUNE8

try:
    from .blend_viper import copy
    from .entropy_viper import differences, literals, number, weights, words
except (ImportError, SyntaxError, ValueError):  # CPython; no native emitter; .mpy of another architecture
    from .blend import copy
    from .entropy import differences, literals, number, weights, words

_INPUT = 320  # bytes of the compressed stream that are held
_AHEAD = 64  # more than one value or number takes
_SPAN = (1 << 31) - 1


class Ranged:
    """rate: by which power of two a probability moves in the long run."""

    def __init__(self, rate):
        self._input = bytearray(_INPUT)
        self._view = memoryview(self._input)
        self._state = array("I", bytes(4 * at.STATE))
        self._probs = bytearray(at.ROOM)
        self._rate = rate
        self.left = 0  # bytes of the chunk that were not read yet

    def begin(self, size):
        """A chunk of ``size`` bytes follows."""
        probs = self._probs
        probs[0] = at.HALF & 0xFF
        probs[1] = at.HALF >> 8
        copy(probs, 2, probs, 0, at.ROOM - 2)
        for i in range(at.STATE):
            self._state[i] = 0
        self._state[at.RATE] = self._rate
        self._state[at.LIMIT] = _SPAN
        if not size:
            self._state[at.RANGE] = _SPAN
        self.left = size

    def hungry(self):
        """Whether feed() must come first, before anything else is asked for."""
        return self.left and self.held() < _AHEAD

    def held(self):
        """How many bytes were read and not used yet."""
        return self._state[at.END] - self._state[at.AT]

    def feed(self, source):
        """Read once from ``source``, at most 256 bytes. Raises: PatchError."""
        state = self._state
        start, end = state[at.AT], state[at.END]
        rest = end - start
        self._view[:rest] = self._view[start:end]
        count = min(self.left, _INPUT - rest)
        source.readinto(self._view[rest : rest + count])
        self.left -= count
        state[at.AT] = 0
        state[at.END] = rest + count
        state[at.LIMIT] = rest + count - _AHEAD if self.left else _SPAN
        if not state[at.RANGE]:
            code = 0
            for i in range(4):
                code = code << 8 | (self._input[i] if i < count else 0)
            if code >= _SPAN:
                raise PatchError("patch: damaged stream")
            state[at.RANGE] = _SPAN
            state[at.CODE] = code
            state[at.AT] = 4

    def number(self, context):
        return number(self._state, self._probs, self._input, at.NUMBER + 24 * context, at.MANTISSA)

    def bytes(self, kind, target, old, start, count, place):
        """Fill up to ``count`` bytes of ``target`` as ``kind`` has them, for what needs a base with ``old[start:]``; how many."""
        state, probs, data = self._state, self._probs, self._input
        if kind == LITERAL:
            return literals(state, probs, data, target, count, at.LITERAL)
        if kind == ADD8:
            return differences(state, probs, data, target, old, start, count, at.DIFFERENCE, place)
        direct = kind == DIRECT8
        base = at.WEIGHTS + at.WEIGHT * direct
        prune = at.PRUNE if kind == PRUNE8 else 0
        return weights(state, probs, data, at.TABLES, target, old, start, count, base, prune, 0 if direct else 255)

    def words(self, target, scratch, count, which):
        """Add up to ``count`` differences to the words of ``target``; how many; ``which``: the set of models."""
        base = at.WORD + at.WORD_SET * which
        return words(self._state, self._probs, self._input, target, count, base, which)
