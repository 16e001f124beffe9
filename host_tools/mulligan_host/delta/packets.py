"""Packets of patch tier 2: what the coder codes for them, step by step, and what that costs on average.

The coder and its models: mulligan.core.packets. A step is a bit with a probability, as twice its index plus the bit; or RAW.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from math import log2
from typing import NamedTuple

import numpy as np

from mulligan.core.contexts import (
    AGAIN,
    COUNT,
    LENGTH_MANTISSA,
    LENGTHS,
    LENGTHS_AGAIN,
    LITERAL,
    LONGER,
    MATCH,
    MATCHED,
    MATCHED_FROM,
    OTHER,
    SLOTS,
    TAILS,
)
from mulligan.core.packets import after_literal

EACH = 24  # lengths up to this have prices of their own
STEPS = 2 * COUNT + 1
RAW = -1  # a step that has no probability, the last of all
_PRIOR = 2.0  # of each bit, besides those counted

# What the state is after a literal, a match of a new distance, of one that is remembered, and of one byte.
AFTER_LITERAL = [after_literal(state) for state in range(12)]
AFTER_NEW = [7] * 7 + [10] * 5
AFTER_AGAIN = [8] * 7 + [11] * 5
AFTER_SHORT = [9] * 7 + [11] * 5


class Packet(NamedTuple):
    """A literal, or a match with what is ``distance`` back in base and artifact."""

    length: int
    distance: int  # 0 for a literal


class Lazy(dict[int, float]):
    """Prices that are worked out when they are asked for."""

    def __init__(self, price: Callable[[int], float]) -> None:
        self._price = price

    def __missing__(self, key: int) -> float:
        self[key] = self._price(key)
        return self[key]


class Prices:
    """In bits, by those of each step."""

    def __init__(self, bits: list[float]) -> None:
        def price(steps: Iterable[int]) -> float:
            return sum(map(bits.__getitem__, steps))

        def flags(*pairs: tuple[int, int]) -> list[float]:
            return [price(2 * (flag + state) + bit for flag, bit in pairs) for state in range(12)]

        self.is_literal = flags((MATCH, 0))
        self.is_new = flags((MATCH, 1), (AGAIN, 0))
        self.is_before = flags((MATCH, 1), (AGAIN, 1), (OTHER, 1))
        self.is_last = flags((MATCH, 1), (AGAIN, 1), (OTHER, 0), (LONGER, 1))
        self.is_short = flags((MATCH, 1), (AGAIN, 1), (OTHER, 0), (LONGER, 0))
        self.literal = [price(_tree(LITERAL, value, 8)) for value in range(256)]
        self.matched = Lazy(lambda pair: price(_matched(pair >> 8, pair & 0xFF)))
        self.new_length = Lazy(lambda length: price(_length(LENGTHS, length)))
        self.again_length = Lazy(lambda length: price(_length(LENGTHS_AGAIN, length)))
        # By length, up to EACH; first, what is added to the price of a longer length.
        self.again = [0.0, 0.0, *(self.again_length[length] for length in range(2, EACH + 1))]
        self.rows: list[list[float]] = []
        for index in range(4 * 28):
            distance = (4 | index & 3) << (index >> 2) >> 2
            row = [price(_distance(EACH, distance))] * 2
            row += [price(_distance(length, distance)) + self.new_length[length] for length in range(2, EACH + 1)]
            self.rows.append(row)
        self.table = np.array(self.rows)


def bits_of(counts: list[int]) -> list[float]:
    """Return what each step costs by how often it and the other one with its probability were taken."""
    bits = []
    for zeros, ones in zip(counts[:-1:2], counts[1::2], strict=True):
        whole = log2(zeros + ones + 2 * _PRIOR)
        bits += [whole - log2(zeros + _PRIOR), whole - log2(ones + _PRIOR)]
    return [*bits, 1.0]


def after(state: int, last: int, before: int, length: int, distance: int) -> tuple[int, int, int]:
    """Return the state, and the distances that are remembered, after a packet."""
    if not distance:
        return AFTER_LITERAL[state], last, before
    if distance == last:
        return (AFTER_AGAIN if length > 1 else AFTER_SHORT)[state], last, before
    return (AFTER_AGAIN if distance == before else AFTER_NEW)[state], distance, last


def steps_of(data: bytes, place: int, packets: list[Packet], last: int) -> Iterator[int]:
    """Yield what the coder would code: a step is twice the index of a probability, plus the bit."""
    state, before = 0, 1
    for length, distance in packets:
        yield 2 * (MATCH + state) + (distance > 0)
        if not distance:
            yield from _tree(LITERAL, data[place], 8) if state < MATCHED_FROM else _matched(data[place - last], data[place])
        elif distance == last:
            yield from (2 * (AGAIN + state) + 1, 2 * (OTHER + state), 2 * (LONGER + state) + (length > 1))
        elif distance == before:
            yield from (2 * (AGAIN + state) + 1, 2 * (OTHER + state) + 1)
        else:
            yield 2 * (AGAIN + state)
            yield from _length(LENGTHS, length)
            yield from _distance(length, distance)
        if distance in (last, before) and length > 1:
            yield from _length(LENGTHS_AGAIN, length)
        state, last, before = after(state, last, before, length, distance)
        place += length


@cache
def _tree(context: int, value: int, bits: int) -> list[int]:
    """The node after a bit is twice the one before plus the bit: a step without its context."""
    return [2 * context + ((1 << bits | value) >> shift) for shift in range(bits - 1, -1, -1)]


@cache
def _matched(other: int, value: int) -> list[int]:
    steps = _tree(LITERAL, value, 8)
    same = 8 - (other ^ value).bit_length()  # bits before the first that differs, which is modelled by the other byte's too
    for index in range(min(same + 1, 8)):
        steps = [*steps[:index], steps[index] + 2 * (MATCHED - LITERAL + 256 * (other >> 7 - index & 1)), *steps[index + 1 :]]
    return steps


def _below(context: int, value: int) -> list[int]:
    """Steps for the bits below the highest: two of them modelled."""
    high = value.bit_length() - 1
    modelled = min(high, 2)
    steps = [2 * (context - 1) + (value >> shift) for shift in range(high - 1, high - modelled - 1, -1)]
    return steps + [RAW] * (high - modelled)


@cache
def _length(context: int, length: int) -> list[int]:
    high = (length - 1).bit_length() - 1
    ones = [2 * (context + min(index, 23)) + 1 for index in range(high)]
    return [*ones, 2 * (context + min(high, 23)), *_below(LENGTH_MANTISSA + 3 * min(high, 23), length - 1)]


@cache
def _distance(length: int, distance: int) -> list[int]:
    high = distance.bit_length() - 1
    return _tree(SLOTS + 32 * min(length - 2, 3), high, 5) + _below(TAILS + 3 * high, distance)
