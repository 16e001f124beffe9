"""What matching with the base has left is compressed by exact matches: with the artifact before it, and with all of the base.

Greedy with one byte of lookahead, by an estimate of what a match saves. The figures are bits, fitted to what the range coder
makes of segments.
"""

from collections.abc import Iterator
from math import log2

from mulligan.core import kinds

from .segment import Segment

_KEY = 4
_SHORTEST = 4  # literals in a row worth looking at
_DEPTH = 48  # candidates of one key, the nearest first
_LITERAL = 5.2  # bits of a byte that is not matched
_FAR = 1 << 16


class Repeats:
    """For one pair; ``split()`` must be called from the artifact's start to its end."""

    def __init__(self, base: bytes, new: bytes) -> None:
        self._base = base
        self._new = new
        self._in_base: dict[bytes, list[int]] | None = None
        self._in_new: dict[bytes, list[int]] = {}
        self._indexed = 0

    def split(self, segment: Segment, position: int) -> Iterator[Segment]:
        """Yield a LITERAL as LITERAL, REPEAT and COPY. position: where in the base the segment before it ended."""
        at = start = segment.at
        match = self._best(at, segment.end, position)
        while at < segment.end:
            if match:
                gain, found = match
                later = self._best(at + 1, segment.end, position) if found.length < 32 else None
                if not later or later[0] <= gain + 4:
                    if start < at:
                        yield Segment(kinds.LITERAL, start, at - start)
                    yield found
                    if found.kind == kinds.COPY:
                        position = found.base + found.length
                    at = start = found.end
                    match = self._best(at, segment.end, position)
                    continue
                match = later
            else:
                match = self._best(at + 1, segment.end, position)
            at += 1
        if start < at:
            yield Segment(kinds.LITERAL, start, at - start)

    def _best(self, at: int, end: int, position: int) -> tuple[float, Segment] | None:
        """Return the match at ``at`` that saves most, and how many bits that is."""
        if at + _KEY > end:
            return None
        new, base = self._new, self._base
        if self._in_base is None:
            self._in_base = {}
            for i in range(len(base) - _KEY + 1):
                self._in_base.setdefault(base[i : i + _KEY], []).append(i)
        while self._indexed < at:
            self._in_new.setdefault(new[self._indexed : self._indexed + _KEY], []).append(self._indexed)
            self._indexed += 1
        key = new[at : at + _KEY]
        best: tuple[float, Segment] | None = None
        for origin in self._in_new.get(key, ())[: -_DEPTH - 1 : -1]:
            length = _common(new, at, new, origin, end - at)
            gain = _gain(length, at - origin)
            if gain > (best[0] if best else 0):
                best = gain, Segment(kinds.REPEAT, at, length, back=at - origin)
        for origin in _nearest(self._in_base.get(key, ()), position):
            length = _common(new, at, base, origin, end - at)
            gain = _gain(length, 2 * abs(origin - position) + 1)
            if gain > (best[0] if best else 0):
                best = gain, Segment(kinds.COPY, at, length, origin)
        return best


def _nearest(places: list[int] | tuple[int, ...], position: int) -> list[int]:
    if len(places) <= _DEPTH:
        return list(places)
    return sorted(places, key=lambda place: abs(place - position))[:_DEPTH]


def _gain(length: int, distance: int) -> float:
    return _LITERAL * length - (16 + 1.2 * log2(length) + 1.24 * log2(distance))


def _common(a: bytes, i: int, b: bytes, k: int, most: int) -> int:
    """Return how many bytes of ``a`` from ``i`` on equal those of ``b`` from ``k`` on."""
    most = min(most, len(b) - k)
    length = 0
    while length < most:
        step = min(64, most - length)
        if a[i + length : i + length + step] != b[k + length : k + length + step]:
            break
        length += step
    while length < most and a[i + length] == b[k + length]:
        length += 1
    return length
