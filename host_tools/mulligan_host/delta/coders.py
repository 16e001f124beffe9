"""Segments become a chunk's stream: one writer for each tier, with the methods of the device's readers, the other way round."""

import numpy as np

from mulligan.core import blend, contexts, entropy, kinds, packets, ranged, rescale

from .packer import Packer
from .segment import NOWHERE, Segment


class Deflated:
    """The bytes that tier 1 deflates."""

    def __init__(self) -> None:
        self.data = bytearray()

    def number(self, context: int, value: int) -> None:
        while value >= 0x80:
            self.data.append(value & 0x7F | 0x80)
            value >>= 7
        self.data.append(value)

    def literals(self, new: bytes, at: int, last: int) -> None:
        self.data += new

    def wide(self, new: bytes) -> None:
        self.data += new

    def differences(self, new: bytes, old: bytes, place: int) -> None:
        self.data += _subtract(new, old)

    def weights(self, new: bytes, old: bytes | None, prune: bool) -> None:
        self.data += new if old is None else _subtract(new, old)

    def words(self, differences: list[int], which: int) -> None:
        block = kinds.BLOCK // 4
        for at in range(0, len(differences), block):
            zigzag = [_zigzag(value) for value in differences[at : at + block]]
            for shift in (0, 8, 16, 24):
                self.data += bytes(value >> shift & 0xFF for value in zigzag)


class Encoder:
    """The range coder of tier 2, encoding: what mulligan.core.entropy's models call a coder.

    packer: that of the pair; without one, literals are all there is of packets.
    """

    def __init__(self, rate: int, packer: Packer | None = None) -> None:
        self.probs = [contexts.HALF] * contexts.COUNT
        self.state = [0] * kinds.STATE
        self._rate = rate
        self._packer = packer
        self._low = 0
        self._span = (1 << 31) - 1
        self._out = bytearray()

    def bit(self, at: int, want: int) -> int:
        probs = self.probs
        p = probs[at]
        used = p & 3
        p >>= 2
        bound = (self._span >> 14) * p
        if used < 3:
            used += 1
            shift = used
        else:
            shift = self._rate
        if want:
            self._low += bound
            self._span -= bound
            p -= p >> shift
            want = 1
        else:
            self._span = bound
            p += 16384 - p >> shift
            want = 0
        probs[at] = p << 2 | used
        while self._span < 1 << 23:
            self._shift()
        return want

    def steady(self, at: int, want: int) -> int:
        p = self.probs[at]
        bound = (self._span >> 12) * (p >> 4)
        if want:
            self._low += bound
            self._span -= bound
        else:
            self._span = bound
        self.probs[at] = p + ((31 if want else 65535) - p >> 5)
        while self._span < 1 << 23:
            self._shift()
        return want

    def nibble(self, want: int) -> int:
        self._span >>= 4
        self._low += want * self._span
        while self._span < 1 << 23:
            self._shift()
        return want

    def raw(self, want: int) -> int:
        self._span >>= 1
        if want:
            self._low += self._span
        while self._span < 1 << 23:
            self._shift()
        return want

    def _shift(self) -> None:
        self._carry()
        self._out.append(self._low >> 24)
        self._low = (self._low & 0xFFFFFF) << 8
        self._span <<= 8

    def _carry(self) -> None:
        if self._low >> 32:
            self._low &= 0xFFFFFFFF
            at = len(self._out) - 1
            while self._out[at] == 0xFF:
                self._out[at] = 0
                at -= 1
            self._out[at] += 1

    def finish(self) -> bytes:
        """Return the stream: the shortest one, as a reader takes what follows it for zeros."""
        for bits in range(32, -1, -8):
            value = -(-self._low >> bits) << bits
            if value < self._low + self._span:
                break
        self._low = value
        self._carry()
        self._out += self._low.to_bytes(4, "big")
        return bytes(self._out).rstrip(b"\0")

    def number(self, context: int, value: int) -> None:
        entropy.golomb(self, contexts.NUMBER + 24 * context, contexts.MANTISSA, value)

    def literals(self, new: bytes, at: int, last: int) -> None:
        """Code ``new``, bytes ``at`` on of the artifact. last: how far back what a match is first looked for at stands."""
        state, end = self.state, at + len(new)
        state[kinds.LAST], state[kinds.BEFORE], state[contexts.PACKET] = last, 1, 0
        place = 0
        for length, distance in self._packer.parse(at, end, last) if self._packer else [(1, 0)] * len(new):
            packet = state[contexts.PACKET]
            self.bit(contexts.MATCH + packet, distance > 0)
            if distance:
                packets.match(self, state, length, distance)
            else:
                likely = contexts.NONE
                if self._packer and packet >= contexts.MATCHED_FROM:
                    likely = self._packer.byte(at + place - state[kinds.LAST])
                packets.literal(self, likely, new[place])
                state[contexts.PACKET] = packets.after_literal(packet)
            place += length

    def wide(self, new: bytes) -> None:
        for value in new:
            entropy.wide_weight(self, contexts.WIDE, value)

    def differences(self, new: bytes, old: bytes, place: int) -> None:
        for at, value in enumerate(_subtract(new, old), place):
            entropy.difference(self, self.state, contexts.DIFFERENCE, at, value)

    def weights(self, new: bytes, old: bytes | None, prune: bool) -> None:
        base = contexts.WEIGHTS + contexts.WEIGHT * (old is None)
        pruned = contexts.PRUNE if prune else 0
        state, tables = self.state, ranged.TABLES.tolist()
        for n, o in zip(new, old if old is not None else bytes(len(new)), strict=True):
            entropy.weight(self, state, tables, base, pruned, (o ^ 128) - 128, (n - o + 128 & 0xFF) - 128)

    def words(self, differences: list[int], which: int) -> None:
        base = contexts.WORD + contexts.WORD_SET * which
        for value in differences:
            entropy.word(self, self.state, base, which, value)


Writer = Deflated | Encoder


def write(writer: Writer, segments: list[Segment], base: bytes, new: bytes) -> None:
    """Write the ``segments`` of one chunk, which begins where the first of them does."""
    position = min(segments[0].at, len(base))
    last = kinds.LITERAL
    for segment in segments:
        kind, at, length = segment.kind, segment.at, segment.length
        words = kind >= kinds.ADD32
        writer.number(last, kind)
        writer.number(kinds.LENGTH + kind, (length // 4 if words else length) - 1)
        last = kind
        if kind == kinds.REPEAT:
            writer.number(kinds.BACK + kind, segment.back - 1)
        elif kind == kinds.FLOATMUL:
            writer.number(kinds.BACK, segment.back)
        if segment.based:
            writer.number(kinds.DISTANCE + kind, _zigzag(segment.base - position))
            position = segment.base + length
        _write_factors(writer, segment)
        content = new[at : at + length]
        if kind == kinds.LITERAL:
            writer.literals(content, at, max(1, len(base) + at - position))
        elif kind == kinds.WIDE8:
            writer.wide(content)
        elif kind == kinds.DIRECT8:
            writer.weights(content, None, False)
        elif kind == kinds.ADD8:
            writer.differences(content, predict(segment, base, new), at)
        elif words:
            writer.words(_word_differences(content, predict(segment, base, new)), kind - kinds.ADD32)
        elif kind not in (kinds.REPEAT, kinds.COPY):
            writer.weights(content, predict(segment, base, new), kind == kinds.PRUNE8)


def predict(segment: Segment, base: bytes, new: bytes) -> bytes:
    """Return what a segment with differences predicts, by the device's own arithmetic."""
    start = segment.at - segment.back if segment.back else segment.base
    old = bytearray((new if segment.back else base)[start : start + segment.length])
    if segment.kind == kinds.SCALE8:
        blend.scale8(old, 0, len(old), segment.factors, segment.run, len(segment.factors), segment.place)
    elif segment.kind == kinds.MULADD32:
        rescale.muladd32(old, len(old) // 4, segment.factors, len(segment.factors), 0)
    elif segment.kind == kinds.FLOATMUL:
        rescale.floatmul(old, len(old) // 4, segment.factor)
    return bytes(old)


def _write_factors(writer: Writer, segment: Segment) -> None:
    if segment.kind == kinds.FLOATMUL:
        if segment.factor_at != NOWHERE:
            writer.number(kinds.FACTOR + 2, segment.at - segment.factor_at)
        else:
            writer.number(kinds.FACTOR + 2, 0)
            writer.number(kinds.FACTOR + 3, segment.factor >> 16)
            writer.number(kinds.FACTOR + 3, segment.factor & 0xFFFF)
    elif segment.kind == kinds.SCALE8:
        writer.number(kinds.LAYOUT, segment.run - 1)
        writer.number(kinds.LAYOUT, segment.place)
        writer.number(kinds.LAYOUT + 1, len(segment.factors) - 1)
        for factor in segment.factors:
            writer.number(kinds.FACTOR, _zigzag(factor - kinds.UNIT8))
    elif segment.kind == kinds.MULADD32:
        writer.number(kinds.LAYOUT + 1, len(segment.factors) - 1)
        before = kinds.UNIT32
        for factor in segment.factors:
            writer.number(kinds.FACTOR + 1, _zigzag(factor - before))
            before = factor


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _subtract(new: bytes, old: bytes) -> bytes:
    difference = np.frombuffer(new, np.uint8) - np.frombuffer(old, np.uint8)
    return difference.tobytes()


def _word_differences(new: bytes, old: bytes) -> list[int]:
    difference = np.frombuffer(new, "<u4") - np.frombuffer(old, "<u4")
    words: list[int] = difference.view("<i4").tolist()
    return words
