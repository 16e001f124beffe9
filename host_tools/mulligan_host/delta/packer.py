"""Bytes as packets, literals and matches with all that is before them, base and artifact: the cheapest that are found.

An optimal parse as in Igor Pavlov's LZMA SDK, for the coder that its "LZMA specification" describes, with two remembered
distances: the cheapest way to each byte is found forward, and only that goes on. What a packet costs changes as the coder adapts;
here it is what the coder takes for a sample of the artifact, on average.
"""

import numpy as np
from numpy.typing import NDArray

from mulligan.core.contexts import MATCHED_FROM
from mulligan.core.kinds import MAX_SIZE

from .packets import AFTER_AGAIN, AFTER_LITERAL, AFTER_NEW, EACH, STEPS, Lazy, Packet, Prices, after, bits_of, steps_of

# For each, a match with the nearest place that has so many bytes the same is looked at.
_LEVELS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 28, 32, 48, 64)
_RANKED = (8, 16, 32)  # levels that more bytes are compared by: none has more than twice as many as the one of these before it
_NOVEL = _LEVELS.index(16)  # what has no match so long is worth sampling
_LONG = 96  # matches from here on are taken without a look at what begins within them
_FARTHEST = MAX_SIZE - 1
_LEAD = MAX_SIZE  # more than any distance
_SLACK = 8.0  # bits by which a match may be dearer than its literals, for what it is to those after it

_SAMPLE = 12 * 4096
_BLOCK = 4096
_ROUNDS = 3


# Those at each place are [first[place] : first[place + 1]] of lengths, distances and rows of prices, longer ones farther back.
_Matches = tuple[list[int], list[int], list[int], list[int]]


class Packer:
    """For one pair. ranges: what is to be packed of the artifact, (from, to), all of it unless told: prices are found by that."""

    def __init__(self, base: bytes, new: bytes, ranges: list[tuple[int, int]] | None = None) -> None:
        self._ranges = [(0, len(new))] if ranges is None else ranges
        self._start = len(base)
        self._data = base + new
        self._prices: Prices | None = None
        self._parsed: dict[tuple[int, int, int], list[Packet]] = {}

    def byte(self, place: int) -> int:
        """Return a byte of the artifact, or, for less than 0, of the base, from its end."""
        return self._data[self._start + place]

    def parse(self, at: int, end: int, last: int) -> list[Packet]:
        """Return packets for ``new[at:end]``. last: the distance that the coder remembers first; the other is 1."""
        key = at, end, last
        if key not in self._parsed:
            if self._prices is None:
                self._padded = np.frombuffer(self._data + bytes(_LEVELS[-1]), np.uint8)
                self._nearest = _nearest(self._padded, self._start)
                self._prices = self._fitted()
            self._parsed[key] = self._cheapest(at, end, last, self._prices)
        return self._parsed[key]

    def _fitted(self) -> Prices:
        """Return the prices that a parse of the sample gives, by those that the parse before gives."""
        prices = Prices([1.0] * STEPS)
        for _ in range(_ROUNDS):
            counts = [0] * STEPS
            for at, end in self._sample():
                last = max(1, self._start + at - min(at, self._start))
                packets = self._cheapest(at, end, last, prices)
                for step in steps_of(self._data, self._start + at, packets, last):
                    counts[step] += 1
            prices = Prices(bits_of(counts))
        return prices

    def _sample(self) -> list[tuple[int, int]]:
        """Return the ranges, or blocks spread over what of them is not long matches."""
        if sum(end - at for at, end in self._ranges) <= _SAMPLE:
            return self._ranges
        size = len(self._data) - self._start
        wanted = np.zeros(size, bool)
        for at, end in self._ranges:
            wanted[at:end] = True
        novel = np.cumsum((self._nearest[:, _NOVEL] < 0) & wanted)
        count = _SAMPLE // _BLOCK
        places = np.searchsorted(novel, (np.arange(count) + 0.5) * (int(novel[-1]) / count))
        blocks = np.unique(np.minimum(places, size - 1) // _BLOCK)
        return [(at, min(at + _BLOCK, size)) for at in (blocks * _BLOCK).tolist()]

    def _matches(self, start: int, end: int, prices: Prices) -> _Matches:
        """Return what may be worth a match in ``data[start:end]``."""
        origins = self._nearest[start - self._start : end - self._start]
        found = origins >= 0
        found[:, :-1] &= origins[:, :-1] != origins[:, 1:]
        place, level = np.nonzero(found)
        origin = origins[place, level].astype(np.int64)
        distance = place + start - origin
        length = np.array(_LEVELS)[level]
        padded = self._padded
        # A match has fewer bytes than the next level, else it were that level's too. Those of the last go on: see _run_end.
        room = end - start - place
        growing = np.flatnonzero(level < len(_LEVELS) - 1)
        while len(growing := growing[length[growing] < room[growing]]):
            more = length[growing]
            growing = growing[padded[origin[growing] + more] == padded[place[growing] + start + more]]
            length[growing] += 1
        length = np.minimum(length, room)
        high = np.frexp(distance)[1] - 1
        row = np.minimum(4 * high + (distance << 2 >> high & 3), len(prices.rows) - 1)
        saved = np.concatenate([[0.0], np.cumsum(np.array(prices.literal)[padded[start:end]])])
        price = prices.table[row, np.minimum(length, EACH)]
        worth = (price < saved[place + length] - saved[place] + _SLACK) & (length > 1) & (distance <= _FARTHEST)
        first = np.searchsorted(place[worth], np.arange(end - start + 1))
        return first.tolist(), length[worth].tolist(), distance[worth].tolist(), row[worth].tolist()

    def _cheapest(self, at: int, end: int, last: int, prices: Prices) -> list[Packet]:
        start, end = self._start + at, self._start + end
        return _Search(self._data, start, end, last, prices).packets(self._matches(start, end, prices))


class _Search:
    """For the cheapest way through ``data[start:end]``.

    The ways go over packets, or over a match, a literal and a match of the same distance at once: after the literal alone another
    way may be the cheaper one.
    """

    def __init__(self, data: bytes, start: int, end: int, last: int, prices: Prices) -> None:
        self._data = data
        self._start = start
        self._end = end
        self._prices = prices
        size = end - start
        # For each place: what the cheapest way to it costs; how many bytes ago its last step began, and with which distance. To
        # that is added, in units of _LEAD, how many bytes of the step come before its last match: a match and a literal.
        self._total = [0.0] + [float("inf")] * size
        self._taken = [1] * (size + 1)
        self._back = [0] * (size + 1)
        # What the coder remembers there.
        self._state = [0] * (size + 1)
        self._last = [last] * (size + 1)
        self._before = [1] * (size + 1)
        self._ends: dict[int, int] = {}  # for distances, where the bytes end that are the same

    def packets(self, matches: _Matches) -> list[Packet]:
        """Return the cheapest that are found."""
        at = 0
        size = self._end - self._start
        while at < size:
            if at:
                self._arrive(at)
            self._literal(at)
            longest = self._again(at)
            if longest < _LONG:
                longest = max(longest, self._new(at, matches))
            at += longest if longest >= _LONG else 1
        found: list[Packet] = []
        while at:
            found += reversed(_parts(self._taken[at], self._back[at]))
            at -= self._taken[at]
        found.reverse()
        return found

    def _arrive(self, at: int) -> None:
        """Work out what the coder remembers after the cheapest way."""
        origin = at - self._taken[at]
        state, last, before = self._state[origin], self._last[origin], self._before[origin]
        if self._back[at] < _LEAD:
            state, last, before = after(state, last, before, self._taken[at], self._back[at])
        else:
            for part in _parts(self._taken[at], self._back[at]):
                state, last, before = after(state, last, before, *part)
        self._state[at] = state
        self._last[at] = last
        self._before[at] = before

    def _offer(self, at: int, price: float, taken: int, back: int) -> None:
        if price < self._total[at]:
            self._total[at] = price
            self._taken[at] = taken
            self._back[at] = back

    def _literal(self, at: int) -> None:
        data, prices = self._data, self._prices
        place = self._start + at
        state, last = self._state[at], self._last[at]
        value = data[place]
        price = self._total[at] + prices.is_literal[state]
        price += prices.literal[value] if state < MATCHED_FROM else prices.matched[data[place - last] << 8 | value]
        self._offer(at + 1, price, 1, 0)
        if last <= place and data[place - last] != value:
            self._resume(at, 1, last, price, AFTER_LITERAL[state])

    def _resume(self, at: int, lead: int, distance: int, price: float, state: int) -> None:
        """Offer ``lead`` bytes, which cost ``price`` up to here and end with a literal, and a match with the last distance."""
        place = self._start + at + lead
        data = self._data
        if place + 1 < self._end and data[place : place + 2] == data[place - distance : place - distance + 2]:
            length = _run_end(data, place, place - distance, self._end) - place
            prices = self._prices
            price += prices.is_last[state] + prices.again_length[length]
            self._offer(at + lead + length, price, lead + length, distance + lead * _LEAD)

    def _run(self, place: int, distance: int) -> int:
        """Return how many bytes from ``place`` on are those ``distance`` back."""
        stop = self._ends.get(distance, 0)
        if stop <= place:
            stop = self._ends[distance] = _run_end(self._data, place, place - distance, self._end)
        return stop - place

    def _again(self, at: int) -> int:
        """Offer matches with the distances that are remembered. Return the length of the longest."""
        data, prices = self._data, self._prices
        place = self._start + at
        here, state, last, before = self._total[at], self._state[at], self._last[at], self._before[at]
        longest = 0
        for distance, flags in ((last, prices.is_last), (before, prices.is_before)):
            if distance <= place and data[place - distance] == data[place]:
                length = self._run(place, distance)
                longest = max(longest, length)
                if distance == last:
                    self._offer(at + 1, here + prices.is_short[state], 1, last)
                if length > 1:
                    way = here + flags[state]
                    self._match(at, 2, length, distance, way, prices.again, prices.again_length, AFTER_AGAIN[state])
        return longest

    def _new(self, at: int, matches: _Matches) -> int:
        """Offer matches with new distances. Return the length of the longest."""
        prices = self._prices
        state = self._state[at]
        known = self._last[at], self._before[at]
        way = self._total[at] + prices.is_new[state]
        after = AFTER_NEW[state]
        first, lengths, distances, rows = matches
        done = 1
        for index in range(first[at], first[at + 1]):
            length = lengths[index]
            distance = distances[index]
            if length > done and distance not in known:
                if length >= _LEVELS[-1]:
                    length = self._run(self._start + at, distance)
                self._match(at, done + 1, length, distance, way, prices.rows[rows[index]], prices.new_length, after)
                done = length
        return done

    def _match(
        self, at: int, least: int, length: int, distance: int, way: float, row: list[float], longer: Lazy, after: int
    ) -> None:
        """Offer a match of ``least`` to ``length`` bytes, its price ``way`` and by length ``row``, and what may go on after."""
        total, taken, back = self._total, self._taken, self._back
        for some in range(least, (length if length < EACH else EACH) + 1):
            price = way + row[some]
            if price < total[at + some]:
                total[at + some] = price
                taken[at + some] = some
                back[at + some] = distance
        if length > EACH:
            price = way + row[0] + longer[length]
            self._offer(at + length, price, length, distance)
        place = self._start + at + length
        if place < self._end - 2:
            data, prices = self._data, self._prices
            price += prices.is_literal[after] + prices.matched[data[place - distance] << 8 | data[place]]
            self._resume(at, length + 1, distance, price, AFTER_LITERAL[after])


def _nearest(padded: NDArray[np.uint8], start: int) -> NDArray[np.int32]:
    """Return for each byte from ``start`` on, for each level, the nearest place before, or -1."""
    size = len(padded) - _LEVELS[-1]
    words = np.lib.stride_tricks.sliding_window_view(padded, 8)[:size].copy().view("<u8").ravel()
    found = np.full((size - start, len(_LEVELS)), -1, np.int32)
    known = 0  # of how many bytes `rank` is the same where they are
    rank = np.empty(0, np.uint32)
    for column, level in enumerate(_LEVELS):
        if level <= 8:
            key = words & np.uint64((1 << 8 * level) - 1)
        else:
            key = rank.astype(np.uint64) << np.uint64(32)
            rest = rank[level - known :]
            key[: len(rest)] |= rest
        order = np.argsort(key, kind="stable").astype(np.int32)
        key = key[order]
        same = key[1:] == key[:-1]
        place, origin = order[1:][same], order[:-1][same]
        found[place[place >= start] - start, column] = origin[place >= start]
        if level in _RANKED:
            known = level
            rank = np.empty(size, np.uint32)
            rank[order[:1]] = 0
            rank[order[1:]] = np.cumsum(~same)
    return found


def _run_end(data: bytes, place: int, origin: int, end: int) -> int:
    """Return where before ``end`` the bytes from ``place`` on no longer equal those from ``origin`` on."""
    step = 4
    grows = True
    while step:
        if place + step <= end and data[place : place + step] == data[origin : origin + step]:
            place += step
            origin += step
            if grows:
                step *= 2
        else:
            grows = False
            step //= 2
    return place


def _parts(taken: int, back: int) -> list[Packet]:
    """Return the packets of a step of ``_Search``."""
    lead, distance = divmod(back, _LEAD)
    parts = [Packet(lead - 1, distance), Packet(1, 0), Packet(taken - lead, distance)]
    return parts[2 - min(lead, 2) :]
