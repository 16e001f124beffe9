"""For tier 1: exact matches in what matching with the base has left, with the artifact before it and with all of the base.

Greedy with one byte of lookahead. Short matches are left to deflate: a match pays for a segment of its own from some eleven bytes
on, wherever it stands.
"""

from collections.abc import Iterator

from mulligan.core import kinds

from .segment import Segment

_LEAST = 11  # bytes of a match, fitted to what deflate makes of segments
_KEY = 8  # bytes by which matches are looked up
_DEPTH = 48  # candidates of one key, the nearest first
_LONG = 32  # matches from here on are taken without a look at the next byte


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
        match = self._longest(at, segment.end, position)
        while at < segment.end:
            if match:
                later = self._longest(at + 1, segment.end, position) if match.length < _LONG else None
                if not later or later.length <= match.length:
                    if start < at:
                        yield Segment(kinds.LITERAL, start, at - start)
                    yield match
                    if match.kind == kinds.COPY:
                        position = match.base + match.length
                    at = start = match.end
                    match = self._longest(at, segment.end, position)
                    continue
                match = later
            else:
                match = self._longest(at + 1, segment.end, position)
            at += 1
        if start < at:
            yield Segment(kinds.LITERAL, start, at - start)

    def _longest(self, at: int, end: int, position: int) -> Segment | None:
        """Return the longest match at ``at``, if one is long enough."""
        if at + _LEAST > end:
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
        most = _LEAST - 1
        best = None
        for origin in self._in_new.get(key, ())[: -_DEPTH - 1 : -1]:
            length = _common(new, at, new, origin, end - at)
            if length > most:
                most, best = length, Segment(kinds.REPEAT, at, length, back=at - origin)
        for origin in _nearest(self._in_base.get(key, ()), position):
            length = _common(new, at, base, origin, end - at)
            if length > most:
                most, best = length, Segment(kinds.COPY, at, length, origin)
        return best


def _nearest(places: list[int] | tuple[int, ...], position: int) -> list[int]:
    if len(places) <= _DEPTH:
        return list(places)
    return sorted(places, key=lambda place: abs(place - position))[:_DEPTH]


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
