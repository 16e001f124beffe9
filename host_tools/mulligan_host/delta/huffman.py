"""Huffman codes of deflate (RFC 1951, section 3.2): code lengths under a limit, and how a block's header says them."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

LITERALS = 286
DISTANCES = 30
END = 256
LENGTH_BASE = (3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258)
LENGTH_EXTRA = (0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0)
DISTANCE_BASE = (1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769)  # as far as a window of 1 KB
DISTANCE_EXTRA = (0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8)
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)


def _symbols(bases: Sequence[int], most: int) -> list[int]:
    found = [0] * (most + 1)
    for symbol, base in enumerate(bases):
        found[base:] = [symbol] * (most + 1 - base)
    return found


LENGTH_SYMBOL = _symbols(LENGTH_BASE, 258)
DISTANCE_SYMBOL = _symbols(DISTANCE_BASE, 1024)


def lengths(counts: Sequence[int], limit: int) -> list[int]:
    """Return the length of each symbol's code, at most ``limit``, 0 for one that does not occur; at least two symbols get one.

    Package-merge: L. Larmore, D. Hirschberg, "A fast algorithm for optimal length-limited Huffman codes", 1990.
    """
    found = [0] * len(counts)
    used = [symbol for symbol, count in enumerate(counts) if count]
    if len(used) < 2:
        found[0] = found[used[0] if used and used[0] else 1] = 1
        return found
    coins: list[tuple[int, tuple[int, ...]]] = sorted((counts[symbol], (symbol,)) for symbol in used)
    packages: list[tuple[int, tuple[int, ...]]] = []
    for _ in range(limit):
        merged = sorted(packages + coins, key=lambda coin: coin[0])
        packages = [(a[0] + b[0], a[1] + b[1]) for a, b in zip(merged[::2], merged[1::2], strict=False)]
    for _, symbols in packages[: len(used) - 1]:
        for symbol in symbols:
            found[symbol] += 1
    return found


def codes(code_lengths: Sequence[int]) -> list[int]:
    """Return each symbol's code, its bits in the order in which they are written."""
    code = 0
    found = [0] * len(code_lengths)
    for bits in range(1, 16):
        for symbol, length in enumerate(code_lengths):
            if length == bits:
                found[symbol] = int(f"{code:0{bits}b}"[::-1], 2)
                code += 1
        code <<= 1
    return found


def header(literals: Sequence[int], distances: Sequence[int]) -> tuple[int, int]:
    """Return (bits, how many) of the shortest header that says these code lengths: the block's after its type."""
    literals = list(literals[: max(257, 1 + max(i for i, length in enumerate(literals) if length))])
    distances = list(distances[: max(1, 1 + max((i for i, length in enumerate(distances) if length), default=0))])
    best: tuple[int, int] | None = None
    for mask in range(8):
        runs = list(_runs(literals + distances, bool(mask & 1), bool(mask & 2), bool(mask & 4)))
        counts = [0] * 19
        for symbol, _, _ in runs:
            counts[symbol] += 1
        meta = lengths(counts, 7)
        used = max(4, 1 + max(i for i, symbol in enumerate(_ORDER) if meta[symbol]))
        size = 14 + 3 * used + sum(meta[symbol] + extra_bits for symbol, _, extra_bits in runs)
        if best is not None and size >= best[1]:
            continue
        value = (len(literals) - 257) | (len(distances) - 1) << 5 | (used - 4) << 10
        at = 14
        for symbol in _ORDER[:used]:
            value |= meta[symbol] << at
            at += 3
        meta_codes = codes(meta)
        for symbol, extra, extra_bits in runs:
            value |= (meta_codes[symbol] | extra << meta[symbol]) << at
            at += meta[symbol] + extra_bits
        best = value, at
    assert best
    return best


def _runs(values: list[int], repeat: bool, short: bool, long: bool) -> Iterator[tuple[int, int, int]]:
    """Yield (symbol, extra, bits of it) of the code lengths ``values``, run-length coded by the symbols allowed."""
    at = 0
    while at < len(values):
        value = values[at]
        count = 1
        while at + count < len(values) and values[at + count] == value:
            count += 1
        at += count
        if value == 0:
            while long and count >= 11:
                taken = min(count, 138)
                yield 18, taken - 11, 7
                count -= taken
            while short and count >= 3:
                taken = min(count, 10)
                yield 17, taken - 3, 3
                count -= taken
        elif repeat and count >= 4:
            yield value, 0, 0
            count -= 1
            while count >= 3:
                taken = min(count, 6)
                yield 16, taken - 3, 2
                count -= taken
        for _ in range(count):
            yield value, 0, 0


def smooth(counts: Sequence[int]) -> list[int]:
    """Return ``counts`` with runs of like ones made the same, which a header says in fewer bits."""
    found = list(counts)
    start = 0
    while start < len(found):
        end = start + 1
        total = found[start]
        while end < len(found) and (found[end] > 0) == (found[start] > 0) and abs(found[end] - total / (end - start)) < 4:
            total += found[end]
            end += 1
        if end - start >= 4 and found[start]:
            found[start:end] = [max(1, round(total / (end - start)))] * (end - start)
        start = end
    return found


def entropy_bits(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each symbol the bits that it costs by its share; one that does not occur costs as one that hardly does."""
    total = max(counts.sum(), 1.0)
    bits: NDArray[np.float64] = np.log2(total / np.maximum(counts, 0.5))
    return np.clip(bits, 0.5, 15)
