"""Segments as the host plans them, and how they are cut where a chunk ends."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mulligan.core import kinds

WORDS = frozenset({kinds.ADD32, kinds.FLOAT32, kinds.MULADD32, kinds.FLOATMUL})
NAMES = {
    getattr(kinds, name): name
    for name in (
        "LITERAL", "DIRECT8", "WIDE8", "REPEAT", "COPY", "ADD8", "DRIFT8", "PRUNE8", "SCALE8", "ADD32", "FLOAT32", "MULADD32",
        "FLOATMUL",
    )
}  # fmt: skip


NOWHERE = -1


class Segment(NamedTuple):
    """What yields bytes ``at`` to ``at + length`` of the artifact; see mulligan.core.segments for the kinds.

    It may have more factors than a segment of a patch, as long as each channel comes once: see ``cut``.

    base: where in the base it begins, for kinds that need one. back: how far back in the artifact, for REPEAT and for a FLOATMUL
    of the artifact. run, place: of SCALE8. factors: of SCALE8 and MULADD32, one for each channel. factor: the bits of FLOATMUL's
    constant; factor_at: where in the artifact it stands, NOWHERE if not before the segment.
    """

    kind: int
    at: int
    length: int
    base: int = 0
    back: int = 0
    run: int = 1
    place: int = 0
    factors: tuple[int, ...] = ()
    factor: int = 0
    factor_at: int = NOWHERE

    @property
    def end(self) -> int:
        return self.at + self.length

    @property
    def based(self) -> bool:
        """Whether it reads the base."""
        return self.kind >= kinds.COPY and not self.back

    def part(self, start: int, end: int) -> "Segment":
        """Return what yields ``start`` to ``end`` of the artifact; for words, both at a word of this segment."""
        skipped = start - self.at
        part = self._replace(at=start, length=end - start, base=self.base + skipped if self.based else 0)
        if self.kind == kinds.MULADD32:
            channels = len(self.factors)
            taken = range(skipped // 4, skipped // 4 + min(channels, part.length // 4))
            part = part._replace(factors=tuple(self.factors[i % channels] for i in taken))
        elif self.kind == kinds.SCALE8:
            place = self.place + skipped
            first, last = place // self.run, (place + part.length - 1) // self.run
            if last < len(self.factors):
                part = part._replace(place=place - first * self.run, factors=self.factors[first : last + 1])
            else:
                part = part._replace(place=place % (self.run * len(self.factors)))
        return part

    def limited(self) -> Iterator["Segment"]:
        """Yield it in parts that have no more factors than a segment of a patch may have."""
        at = self.at
        if len(self.factors) > kinds.MAX_CHANNELS:
            run, lead = (self.run, self.place) if self.kind == kinds.SCALE8 else (4, 0)
            for stop in range(at + run * kinds.MAX_CHANNELS - lead, self.end, run * kinds.MAX_CHANNELS):
                yield self.part(at, stop)
                at = stop
        yield self.part(at, self.end)


def cut(segments: list[Segment], at: int, end: int) -> Iterator[Segment]:
    """Yield the parts of ``segments`` between ``at`` and ``end``, as a patch has them. A word that lies across becomes bytes."""
    for segment in segments:
        low, high = max(segment.at, at), min(segment.end, end)
        if low >= high:
            continue
        if segment.kind not in WORDS:
            yield from segment.part(low, high).limited()
            continue
        first = segment.at + -(-(low - segment.at) // 4) * 4
        last = segment.at + (high - segment.at) // 4 * 4
        if first > last:
            first = last = high
        for start, stop, words in ((low, first, False), (first, last, True), (last, high, False)):
            if start < stop and words:
                yield from segment.part(start, stop).limited()
            elif start < stop:
                kind = kinds.ADD8 if segment.based else kinds.LITERAL
                yield Segment(kind, start, stop - start, segment.base + start - segment.at if segment.based else 0)


def merged(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Yield ``segments`` with neighbours in one that are copies of neighbours, or literals, or differences of one kind."""
    last: Segment | None = None
    for segment in segments:
        if last and last.kind == segment.kind and (
            segment.kind == kinds.LITERAL
            or (segment.kind in (kinds.COPY, kinds.ADD8) and segment.base - last.base == segment.at - last.at)
            or (segment.kind == kinds.REPEAT and segment.back == last.back)
        ):  # fmt: skip
            last = last._replace(length=last.length + segment.length)
            continue
        if last:
            yield last
        last = segment
    if last:
        yield last
