"""The cheapest way to say bytes as literals and matches within 1 KB, for given costs of each: an optimal parse.

All matches that any parse could want are found first, at once for each distance. Then the cheapest path from the first byte to
the last is found forward (as in J. Alakuijala and L. Vandevenne, "Data compression using Zopfli", 2013).
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .huffman import DISTANCE_EXTRA, DISTANCE_SYMBOL, LENGTH_BASE, LENGTH_EXTRA, LENGTH_SYMBOL

WINDOW = 1024
LONGEST = 258
_EACH = 24  # matches up to this long are tried at each length, longer ones at the ends of the ranges of a symbol

Token = tuple[int, int]  # (length, distance) of a match, (byte, 0) of a literal


@dataclass(frozen=True)
class Costs:
    """Bits of each literal, of each length from 0 to 258, of each distance from 0 to 1,024, extra bits included."""

    literals: list[float]
    lengths: list[float]
    distances: list[float]


def costs(literals: NDArray[np.float64], distances: NDArray[np.float64]) -> Costs:
    """Return the costs of everything by those of the symbols."""
    lengths = [float(literals[257 + s]) + LENGTH_EXTRA[s] for s in LENGTH_SYMBOL]
    ways = [float(distances[s]) + DISTANCE_EXTRA[s] for s in DISTANCE_SYMBOL]
    return Costs(literals[:256].tolist(), lengths, ways)


def matches(data: bytes) -> list[list[Token]]:
    """Return for each byte the matches that begin there, longer ones at larger distances: what is shorter is nearer."""
    size = len(data)
    found: list[list[Token]] = [[] for _ in range(size)]
    array = np.frombuffer(data, np.uint8)
    best = np.full(size, 2)
    places = np.arange(size)
    for distance in range(1, min(WINDOW, size - 1) + 1):
        equal = array[distance:] == array[:-distance]
        if not (equal[:-2] & equal[1:-1] & equal[2:]).any():
            continue
        ends = np.where(equal, size, places[distance:])
        run = np.minimum.accumulate(ends[::-1])[::-1] - places[distance:]
        run = np.minimum(run, LONGEST)
        longer = np.flatnonzero(run > best[distance:])
        if len(longer):
            best[distance + longer] = run[longer]
            for at, length in zip((distance + longer).tolist(), run[longer].tolist(), strict=True):
                found[at].append((length, distance))
    return found


_STOPS = [base - 1 for base in LENGTH_BASE if base > _EACH]


def parse(data: bytes, found: list[list[Token]], start: int, end: int, cost: Costs) -> list[Token]:
    """Return the cheapest tokens for ``data[start:end]``."""
    size = end - start
    infinite = float("inf")
    total = [infinite] * (size + 1)
    total[0] = 0.0
    step: list[Token] = [(0, 0)] * (size + 1)
    literals, lengths, distances = cost.literals, cost.lengths, cost.distances
    for at in range(size):
        here = total[at]
        value = data[start + at]
        price = here + literals[value]
        if price < total[at + 1]:
            total[at + 1] = price
            step[at + 1] = (value, 0)
        if not found[start + at]:
            continue
        shortest = 3
        room = size - at
        for length, distance in found[start + at]:
            length = min(length, room)
            if length < shortest:
                continue
            way = here + distances[distance]
            for taken in range(shortest, min(length, _EACH) + 1):
                price = way + lengths[taken]
                if price < total[at + taken]:
                    total[at + taken] = price
                    step[at + taken] = (taken, distance)
            if length > _EACH:
                for taken in [stop for stop in _STOPS if shortest <= stop < length] + [length]:
                    price = way + lengths[taken]
                    if price < total[at + taken]:
                        total[at + taken] = price
                        step[at + taken] = (taken, distance)
            shortest = length + 1
    tokens: list[Token] = []
    at = size
    while at:
        token = step[at]
        tokens.append(token)
        at -= token[0] if token[1] else 1
    tokens.reverse()
    return tokens


def counts(tokens: list[Token]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how often each literal or length symbol, and each distance symbol, occurs in a block of ``tokens``, with its end."""
    literals, distances = np.zeros(286), np.zeros(30)
    for (value, distance), count in Counter(tokens).items():
        if distance:
            literals[257 + LENGTH_SYMBOL[value]] += count
            distances[DISTANCE_SYMBOL[distance]] += count
        else:
            literals[value] += count
    literals[256] = 1
    return literals, distances
