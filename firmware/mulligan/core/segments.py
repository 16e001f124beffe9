"""Patch segments: what a chunk of a patch is made of, and the decoder that executes them. Bytes: docs/SPEC.md, "Patch".

All knowledge of what an artifact is stays with the maker of the patch. Here are only predictions (nothing, bytes or words of
the base, the same rescaled, earlier bytes of the artifact itself) and differences to them.
"""

from array import array
from hashlib import sha256

from . import patch
from .errors import PatchError
from .kinds import (
    ADD32,
    BACK,
    BLOCK,
    COPY,
    DISTANCE,
    FACTOR,
    FLOATMUL,
    KINDS,
    LAYOUT,
    LENGTH,
    MAX_CHANNELS,
    MAX_FACTOR8,
    MAX_FACTOR32,
    MAX_SIZE,
    MULADD32,
    PIECE,
    REPEAT,
    SCALE8,
    UNIT8,
    UNIT32,
)

try:
    from .blend_viper import copy, floatmul, muladd32, scale8
except (ImportError, SyntaxError, ValueError):  # CPython; no native emitter; .mpy of another architecture
    from .blend import copy, scale8
    from .rescale import floatmul, muladd32


_OLD = 512  # bytes of the base that are held


class Decoder:
    """Applies the chunks of ``header`` to ``base``, for an artifact that ``target`` holds as far as it went to the sink.

    base, target: size and readinto(offset, buf); base may be None where base_size is 0. All buffers are made here, but that of
    the factors, which grows to the most channels that a segment has.
    """

    def __init__(self, header, base, target):
        self._header = header
        self._base = base
        self._target = target
        self._old = bytearray(_OLD)
        self._near = memoryview(self._old)[: min(_OLD, header.base_size)]  # what is read of the base at once
        self._far = memoryview(self._old)[: min(BLOCK, target.size)]  # the same of the artifact
        self._old_at = -1  # which bytes of the base ``_old`` holds: from here on; -1: none
        self._piece = bytearray(PIECE + BLOCK)  # what was decoded and did not go to the sink yet; words may go beyond
        self._full = memoryview(self._piece)[:PIECE]
        self._factors = array("I")  # as many as a segment had at most
        self._coder = self._make_coder(header)

    def _make_coder(self, header):
        if header.tier == patch.TIER_RANGE:
            from .ranged import Ranged

            return Ranged(header.rate)
        from .inflate import Inflated

        return Inflated()

    def chunk(self, index, source, sink):
        """A generator that decodes chunk ``index``, the next of ``source`` (readinto(buf), which fills all of buf).

        Gives the artifact's bytes to ``sink(buf)``, in order, PIECE at a time but for the last, and yields after each
        read and each sink. Nothing is allocated for a byte, a segment or a block, but for a segment with more channels
        than any before.

        Raises: PatchError for a damaged chunk; what went to the sink then is void.
        """
        header, coder, piece = self._header, self._coder, self._piece
        self._made = index << header.chunk_bits
        self._position = min(self._made, header.base_size)
        self._end = end = self._made + patch.chunk_length(header, index)
        self._fill = self._left = self._missing = self._kind = 0
        hasher = sha256()
        coder.begin(patch.size_in_patch(header, index))
        while self._made < end:
            if self._missing or not self._left:
                if coder.hungry():
                    coder.feed(source)
                    yield
                if self._missing:
                    self._next_factor()
                else:
                    self._segment()
                if self._missing:
                    continue
            words = self._kind >= ADD32
            count = self._words() if words else self._bytes()
            if not count:
                coder.feed(source)
                yield
                continue
            self._left -= count >> 2 if words else count
            self._made += count
            self._fill = fill = self._fill + count
            while fill >= PIECE or (fill and self._made == end):
                count = min(fill, PIECE)
                some = self._full if count == PIECE else self._full[:count]
                hasher.update(some)
                sink(some)
                self._fill = fill = fill - count
                if fill:
                    copy(piece, 0, piece, PIECE, fill)
                yield
        while coder.hungry():  # what ends the stream stands behind the last byte
            coder.feed(source)
            yield
        if coder.left or patch.check(hasher) != patch.check_of(header, index):
            raise PatchError("patch: chunk {} does not yield what the table says".format(index))

    def _segment(self):
        """Read the head of the next segment."""
        coder, made = self._coder, self._made
        kind = coder.number(self._kind)
        if not 0 <= kind < KINDS:
            raise _bad()
        self._kind = kind
        self._left = size = coder.number(LENGTH + kind) + 1
        if kind >= ADD32:
            size *= 4
        if not 0 < size <= self._end - made:
            raise _bad()
        self._at = self._back = self._missing = 0
        if kind < COPY:
            if kind == REPEAT:
                self._back = _below(made, coder.number(BACK + kind)) + 1
            return
        if kind == FLOATMUL:
            self._back = _below(made + 1, coder.number(BACK))
            if self._back:
                _below(self._back + 1, size)
        if not self._back:
            distance = coder.number(DISTANCE + kind)
            self._position += distance >> 1 ^ -(distance & 1)
            if not 0 <= self._position <= self._header.base_size - size:
                raise _bad()
        if kind == FLOATMUL:
            # The constant is a word of the artifact, so far back; or, for 0, it follows in two halves.
            back = coder.number(FACTOR + 2)
            if back:
                _below(made - 3, back - 4)
                self._artifact(back, 4)
                self._factor = self._old[0] | self._old[1] << 8 | self._old[2] << 16 | (self._old[3] & 0x7F) << 24
            else:
                self._factor = _below(1 << 15, coder.number(FACTOR + 3)) << 16
                self._factor |= _below(1 << 16, coder.number(FACTOR + 3))
            return
        if kind == SCALE8:
            self._run = _below(MAX_SIZE, coder.number(LAYOUT)) + 1
            self._at = _below(MAX_SIZE, coder.number(LAYOUT))
        elif kind != MULADD32:
            return
        self._factor = UNIT32
        self._missing = self._channels = _below(MAX_CHANNELS, coder.number(LAYOUT + 1)) + 1
        if self._channels > len(self._factors):
            self._factors = array("I", bytes(4 * self._channels))

    def _next_factor(self):
        """Read one: SCALE8's as a change to one, MULADD32's to the factor before."""
        if self._kind == SCALE8:
            factor = _below(MAX_FACTOR8, UNIT8 + _signed(self._coder.number(FACTOR)))
        else:
            factor = self._factor = _below(MAX_FACTOR32, self._factor + _signed(self._coder.number(FACTOR + 1)))
        self._factors[self._channels - self._missing] = factor
        self._missing -= 1

    def _bytes(self):
        """Decode the next bytes of the segment into the piece, and say how many."""
        kind, fill = self._kind, self._fill  # two at once: MicroPython makes a tuple of four
        piece, old = self._piece, self._old
        count = self._left
        if count > PIECE - fill:
            count = PIECE - fill
        if kind < REPEAT:
            return self._coder.bytes(kind, piece, fill, old, 0, count, self._made)
        if kind == REPEAT:
            flashed = self._made - fill
            at = self._made - self._back
            if at < flashed:
                count = min(count, flashed - at, BLOCK)
                copy(piece, fill, old, self._window(self._target, self._target.size, self._far, at), count)
            else:
                copy(piece, fill, piece, at - flashed, count)
            return count
        position = self._position
        if kind == COPY and count == PIECE:
            self._base.readinto(position, self._full)
        else:
            count = min(count, _OLD)
            start = position - self._old_at
            if self._old_at < 0 or start < 0 or start + count > _OLD:
                start = self._window(self._base, self._header.base_size, self._near, position)
            if kind == COPY:
                copy(piece, fill, old, start, count)
            else:
                if kind == SCALE8:
                    count = min(count, BLOCK)
                    scale8(old, start, count, self._factors, self._run, self._channels, self._at)
                    self._old_at = -1
                count = self._coder.bytes(kind, piece, fill, old, start, count, self._made)
                self._at += count
        self._position = position + count
        return count

    def _words(self):
        """The same of words, in bytes, BLOCK at most, of which the last may go beyond the end of the piece."""
        kind, old = self._kind, self._old
        count = min(self._left, BLOCK // 4)
        if self._back:
            self._artifact(self._back, 4 * count)
        else:
            start = self._window(self._base, self._header.base_size, self._near, self._position)
            copy(old, 0, old, start, 4 * count)
            self._old_at = -1
        if kind == MULADD32:
            muladd32(old, count, self._factors, self._channels, self._at)
        elif kind == FLOATMUL:
            floatmul(old, count, self._factor)
        count = self._coder.words(old, count, kind - ADD32, self._piece, self._fill)
        self._at += count
        count *= 4
        if not self._back:
            self._position += count
        copy(self._piece, self._fill, old, 0, count)
        return count

    def _artifact(self, back, count):
        """Have in ``_old`` the first ``count`` bytes of the last ``back`` of the artifact: from flash, and from the piece."""
        at = self._made - back
        flashed = self._made - self._fill
        held = max(0, min(count, flashed - at))
        if held:
            copy(self._old, 0, self._old, self._window(self._target, self._target.size, self._far, at), held)
        copy(self._old, held, self._piece, at + held - flashed, count - held)
        self._old_at = -1

    def _window(self, source, size, room, position):
        """Read ``source``, of ``size`` bytes, from ``position`` on into ``room``, a part of ``_old``; where in it that begins.

        All of ``room`` is filled, so it begins further on where less than that is left.
        """
        start = max(0, min(position, size - len(room)))
        source.readinto(start, room)
        self._old_at = start if source is self._base else -1
        return position - start


def _bad():
    return PatchError("patch: bad segment")


def _below(limit, value):
    if not 0 <= value < limit:
        raise _bad()
    return value


def _signed(value):
    """A zigzag number of 31 bits."""
    return _below(1 << 31, value) >> 1 ^ -(value & 1)
