"""Patch segments: what a chunk of a patch is made of, and the decoder that executes them. Bytes: docs/SPEC.md, "Patch".

All knowledge of what an artifact is stays with the maker of the patch. Here are only predictions (nothing, bytes or words of
the base, the same rescaled, earlier bytes of the artifact itself) and differences to them.
"""

from array import array
from hashlib import sha256

from . import chunks
from .errors import PatchError
from .kinds import (
    ADD32,
    BASE,
    BLOCK,
    COPY,
    DISTANCE,
    DONE,
    FACTOR,
    FILL,
    FIRST,
    FLOATMUL,
    FULL,
    KIND,
    KINDS,
    LAYOUT,
    LEFT,
    MAX_CHANNELS,
    MAX_FACTOR8,
    MAX_FACTOR32,
    MAX_SIZE,
    MULADD32,
    NOWHERE,
    OLD,
    OLD_END,
    OLDS,
    OTHERS,
    PIECE,
    PLACE,
    READ,
    REPEAT,
    SCALE8,
    SINCE,
    STOP,
    UNIT8,
    UNIT32,
)

try:
    from .blend_viper import copy, floatmul, muladd32, scale8
except (ImportError, SyntaxError, ValueError):  # CPython; no native emitter; .mpy of another architecture
    from .blend import copy, scale8
    from .rescale import floatmul, muladd32


class Decoder:
    """Applies the chunks of ``header`` to ``base``, for an artifact that ``target`` holds as far as it went to the sink.

    base, target: size and readinto(offset, buf); base may be None where base_size is 0. All buffers are made here.
    """

    def __init__(self, header, base, target):
        self._header = header
        self._base = base
        self._target = target
        self._old = bytearray(OLDS)  # of the base, from state[OLD] on
        self._near = memoryview(self._old)[: min(OLDS, header.base_size)]  # what is read of the base at once
        self._far = memoryview(self._old)[: min(BLOCK, target.size)]  # the same of the artifact
        self._piece = bytearray(PIECE + BLOCK)  # what was decoded and did not go to the sink yet; words may go beyond
        self._full = memoryview(self._piece)[:PIECE]
        # As many as a segment may have; what has a base alone is rescaled.
        self._factors = array("I", bytes(4 * MAX_CHANNELS if header.base_size else 0))
        self._coder = self._make_coder(header)
        self._state = self._coder.state  # its words: see ``kinds``
        self._state[BASE] = header.base_size
        self._state[OLD] = NOWHERE

    def _make_coder(self, header):
        if header.rate:  # patch.TIER_RANGE
            from .ranged import Ranged

            return Ranged(self._piece, self._old, self._reach, header.rate)
        from .inflate import Inflated

        return Inflated(self._piece, self._old, self._reach)

    def chunk(self, index, source, sink):
        """A generator that decodes chunk ``index``, the next of ``source`` (readinto(buf), which fills all of buf).

        Gives the artifact's bytes to ``sink(buf)``, in order, PIECE at a time but for the last, and yields after each
        read and each sink. Nothing is allocated for a byte, a segment or a block.

        Raises: PatchError for a damaged chunk; what went to the sink then is void.
        """
        header, coder, state, piece = self._header, self._coder, self._state, self._piece
        done = index << header.chunk_bits
        if state[DONE] != done:  # not where the chunk before ended: what is held may never have become the artifact
            state[SINCE] = done
            state[OLD] = NOWHERE
        state[DONE] = done
        state[STOP] = end = done + chunks.length(header, index)
        state[PLACE] = min(done, header.base_size)
        state[FILL] = state[KIND] = state[LEFT] = state[READ] = self._missing = 0
        hasher = sha256()
        coder.begin(chunks.size_in_patch(header, index))
        count = 0
        while done < end:
            if not count or not state[LEFT]:
                way = coder.run()
            count = 0
            if way == OTHERS:
                count = self._segment()
            if not count and way != FULL:
                coder.feed(source)
                yield
            done = state[DONE]
            fill = state[FILL]
            while fill >= PIECE or (fill and done == end):
                size = min(fill, PIECE)
                some = self._full if size == PIECE else self._full[:size]
                hasher.update(some)
                sink(some)
                state[FILL] = fill = fill - size
                if fill:
                    copy(piece, 0, piece, PIECE, fill)
                yield
        while coder.hungry():  # what ends the stream stands behind the last byte
            coder.feed(source)
            yield
        if coder.left or chunks.check(hasher) != chunks.check_of(header, index):
            raise PatchError("patch: chunk {} does not yield what the table says".format(index))

    def _segment(self):
        """Begin the segment whose head was read, or go on with the one before; whether that went: else feed() must come first."""
        state = self._state
        if not state[LEFT] and not self._begin():
            return False
        kind = state[KIND]
        count = self._words(kind) if kind >= ADD32 else self._bytes(kind)
        state[LEFT] -= count
        state[DONE] += count
        state[FILL] += count
        return count

    def _begin(self):
        """Take what the head says, and read what a segment of few kinds has besides; whether that is all there."""
        state, coder = self._state, self._coder
        if not self._missing:
            kind = state[FIRST]
            if kind >= SCALE8 and coder.hungry():
                return False
            state[KIND] = kind
            done = state[DONE]
            size = state[FIRST + 1] + 1 << 2 * (kind >= ADD32)
            if kind >= KINDS or size > state[STOP] - done:
                raise _bad()
            state[FIRST + 1] = size
            third = state[FIRST + 2]
            self._at = self._back = 0
            if kind == REPEAT:
                self._back = _below(done, third) + 1
            elif kind == FLOATMUL and third:
                self._back = _below(done + 1, third)
                _below(self._back + 1, size)
            elif kind >= COPY:
                if kind == FLOATMUL:
                    third = coder.number(DISTANCE + kind)
                place = state[PLACE] + (third >> 1 ^ -(third & 1))
                if not 0 <= place <= state[BASE] - size:
                    raise _bad()
                state[PLACE] = place
            if kind == FLOATMUL:
                # The constant is a word of the artifact, so far back; or, for 0, it follows in two halves.
                back = coder.number(FACTOR + 2)
                if back:
                    _below(done - 3, back - 4)
                    self._artifact(back, 4)
                    old = self._old
                    self._factor = old[0] | old[1] << 8 | old[2] << 16 | (old[3] & 0x7F) << 24
                else:
                    self._factor = _below(1 << 15, coder.number(FACTOR + 3)) << 16
                    self._factor |= _below(1 << 16, coder.number(FACTOR + 3))
            elif kind == SCALE8 or kind == MULADD32:
                if kind == SCALE8:
                    self._run = _below(MAX_SIZE, coder.number(LAYOUT)) + 1
                    self._at = _below(MAX_SIZE, coder.number(LAYOUT))
                self._factor = UNIT32
                self._missing = self._channels = _below(MAX_CHANNELS, coder.number(LAYOUT + 1)) + 1
        while self._missing:
            if coder.hungry():
                return False
            # SCALE8's as a change to one, MULADD32's to the factor before.
            if state[KIND] == SCALE8:
                factor = _below(MAX_FACTOR8, UNIT8 + _signed(coder.number(FACTOR)))
            else:
                factor = self._factor = _below(MAX_FACTOR32, self._factor + _signed(coder.number(FACTOR + 1)))
            self._factors[self._channels - self._missing] = factor
            self._missing -= 1
        state[READ] = 0
        state[LEFT] = state[FIRST + 1]
        return True

    def _bytes(self, kind):
        """Decode the next bytes of the segment into the piece, and say how many."""
        state = self._state
        fill, piece, old = state[FILL], self._piece, self._old
        count = min(state[LEFT], PIECE - fill)
        if kind < REPEAT:
            return self._coder.bytes(kind, fill, 0, count)
        if kind == REPEAT:
            at = state[DONE] - self._back
            flashed = state[DONE] - fill
            if at < flashed:
                count = min(count, flashed - at, BLOCK)
                copy(piece, fill, old, self._reach(state[BASE] + at), count)
            else:
                copy(piece, fill, piece, at - flashed, count)
            return count
        position = state[PLACE]
        if kind == COPY and count == PIECE:
            self._base.readinto(position, self._full)
        else:
            count = min(count, OLDS)
            start = position - state[OLD]
            if start < 0 or start + count > OLDS:
                start = self._reach(position)
            if kind == COPY:
                copy(piece, fill, old, start, count)
            else:
                if kind == SCALE8:
                    scale8(old, start, count, self._factors, self._run, self._channels, self._at)
                    state[OLD] = NOWHERE
                count = self._coder.bytes(kind, fill, start, count)
                if kind == SCALE8:
                    self._at += count
        state[PLACE] = position + count
        return count

    def _words(self, kind):
        """The same of words, in bytes, BLOCK at most, of which the last may go beyond the end of the piece."""
        state, old = self._state, self._old
        fill = state[FILL]
        count = min(state[LEFT], BLOCK) >> 2
        if self._back:
            self._artifact(self._back, 4 * count)
        else:
            copy(old, 0, old, self._reach(state[PLACE]), 4 * count)
            state[OLD] = NOWHERE
        if kind == MULADD32:
            muladd32(old, count, self._factors, self._channels, self._at)
        elif kind == FLOATMUL:
            floatmul(old, count, self._factor)
        count = self._coder.words(count, kind - ADD32, fill)
        self._at += count
        count *= 4
        if not self._back:
            state[PLACE] += count
        copy(self._piece, fill, old, 0, count)
        return count

    def _artifact(self, back, count):
        """Have in ``_old`` the first ``count`` bytes of the last ``back`` of the artifact: from flash, and from the piece."""
        state, old = self._state, self._old
        at = state[DONE] - back
        flashed = state[DONE] - state[FILL]
        held = max(0, min(count, flashed - at))
        if held:
            copy(old, 0, old, self._reach(state[BASE] + at), held)
        copy(old, held, self._piece, at + held - flashed, count - held)
        state[OLD] = NOWHERE

    def _reach(self, at):
        """Have in ``_old`` byte ``at`` of the base with the artifact, as far as that went to the sink, behind it; where in it."""
        state = self._state
        base = state[BASE]
        if at < base:
            room = self._near
            first = min(_below(base, at), base - len(room))
            self._base.readinto(first, room)
            state[OLD] = first
            state[OLD_END] = first + len(room)
        else:
            room = self._far
            first = min(at - base, self._target.size - len(room))
            self._target.readinto(first, room)
            state[OLD] = base + first
            state[OLD_END] = base + min(first + len(room), state[DONE] - state[FILL])
        return at - state[OLD]


def _bad():
    return PatchError("patch: bad segment")


def _below(limit, value):
    if not 0 <= value < limit:
        raise _bad()
    return value


def _signed(value):
    """A zigzag number of 31 bits."""
    return _below(1 << 31, value) >> 1 ^ -(value & 1)
