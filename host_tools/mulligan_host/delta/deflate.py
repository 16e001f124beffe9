"""Raw deflate (RFC 1951) for a window of 1 KB: zlib's for an estimate, an optimal parse in the end.

The parse wants the costs of symbols, which come of the parse: so it is done again until that gains nothing. Blocks are split
where codes of their own are worth their header.
"""

import zlib
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mulligan.core import codes

from . import huffman, lz77
from .lz77 import Token

_ROUNDS = 8  # parses of a block at most, for each guess
_SMALL = 8192  # bytes up to which one guess is enough
_GUESSES = ((6.0, 5.0), (4.0, 3.0))  # bits of the length and of the distance of a match
_STEP = 32  # tokens between places where a block may be split
_LEAST = 768  # bytes of a block
_HEADER = 60 * 8  # bits that a block's header takes, about
_STORED = 65535


def quick(data: bytes) -> bytes:
    """Return the shortest stream that zlib's strategies give, stored as it is for one."""

    def run(level: int, strategy: int) -> bytes:
        deflater = zlib.compressobj(level, zlib.DEFLATED, -codes.WINDOW_BITS, 9, strategy)
        return deflater.compress(data) + deflater.flush()

    best = [run(9, strategy) for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_RLE)]
    return min([*best, run(0, zlib.Z_DEFAULT_STRATEGY)], key=len)


def deflate(data: bytes) -> bytes:
    """Return the shortest stream that is found."""
    shortest = quick(data)
    if len(shortest) > len(data):
        return shortest  # stored: where zlib's strategies save nothing, this does not either
    found = lz77.matches(data)
    tokens = _optimised(data, found, 0, len(data))
    best = [shortest, _stream(data, [tokens])]
    bounds = [0, *_split(tokens), len(data)]
    if len(bounds) > 2:
        best.append(_stream(data, [_optimised(data, found, *ends) for ends in pairwise(bounds)]))
    return min(best, key=len)


def _costs(count: tuple[NDArray[np.float64], NDArray[np.float64]]) -> lz77.Costs:
    return lz77.costs(huffman.entropy_bits(count[0]), huffman.entropy_bits(count[1]))


def _optimised(data: bytes, found: list[list[Token]], start: int, end: int) -> list[Token]:
    """Parse again and again by the costs that the parse before gives, from two guesses of what a match costs; the best."""
    best: list[Token] = []
    least = 0
    share = np.bincount(np.frombuffer(data, np.uint8, end - start, start), minlength=huffman.LITERALS)
    for length, distance in _GUESSES if end - start > _SMALL else _GUESSES[:1]:
        literals = huffman.entropy_bits(share.astype(np.float64))
        literals[huffman.END :] = length
        cost = lz77.costs(literals, np.full(huffman.DISTANCES, distance))
        before = 0
        for _ in range(_ROUNDS):
            tokens = lz77.parse(data, found, start, end, cost)
            size = _block(tokens)[1]
            if not best or size < least:
                best, least = tokens, size
            if before and size > before - 8:
                break
            before = size
            cost = _costs(lz77.counts(tokens))
    return best


def _split(tokens: list[Token]) -> list[int]:
    """Return where, in bytes, blocks with codes of their own would be shorter, by entropy."""
    table = [np.zeros(316)]
    place = [0]
    at = 0
    running = np.zeros(316)
    for index, (value, distance) in enumerate(tokens, 1):
        if distance:
            running[257 + huffman.LENGTH_SYMBOL[value]] += 1
            running[286 + huffman.DISTANCE_SYMBOL[distance]] += 1
            at += value
        else:
            running[value] += 1
            at += 1
        if index % _STEP == 0 or index == len(tokens):
            table.append(running.copy())
            place.append(at)
    sums = np.array(table)

    def bits(count: NDArray[np.float64]) -> NDArray[np.float64]:
        """The entropy of rows of counts, and a little for each symbol that a header must name."""
        parts = count[..., :286], count[..., 286:]
        total = sum((part.sum(-1) * np.log2(np.maximum(part.sum(-1), 1)) for part in parts), np.zeros(count.shape[:-1]))
        inner: NDArray[np.float64] = (count * np.log2(np.maximum(count, 1))).sum(-1)
        named: NDArray[np.float64] = 3.0 * (count > 0).sum(-1)
        whole: NDArray[np.float64] = total - inner + named
        return whole

    found: list[int] = []
    ranges = [(0, len(sums) - 1)]
    while ranges:
        low, high = ranges.pop()
        middles = [m for m in range(low + 1, high) if place[m] - place[low] >= _LEAST and place[high] - place[m] >= _LEAST]
        if not middles:
            continue
        both = bits(sums[middles] - sums[low]) + bits(sums[high] - sums[middles])
        cheapest = int(np.argmin(both))
        if both[cheapest] + _HEADER / 4 < bits(sums[high] - sums[low]):
            found.append(place[middles[cheapest]])
            ranges += [(low, middles[cheapest]), (middles[cheapest], high)]
    return sorted(found)


def _block(tokens: list[Token]) -> tuple[tuple[list[int], list[int]], int]:
    """Return the code lengths of a block and how many bits it takes."""
    literals, distances = ([int(count) for count in part] for part in lz77.counts(tokens))
    best: tuple[tuple[list[int], list[int]], int] | None = None
    for shaped in (literals, huffman.smooth(literals)):
        codes = huffman.lengths(shaped, 15), huffman.lengths(distances, 15)
        size = 3 + huffman.header(*codes)[1] + _body(literals, distances, codes)
        if best is None or size < best[1]:
            best = codes, size
    assert best
    fixed = [8] * 144 + [9] * 112 + [7] * 24 + [8] * 8, [5] * 30
    size = 3 + _body(literals, distances, fixed)
    return (fixed, size) if size < best[1] else best


def _body(literals: list[int], distances: list[int], codes: tuple[list[int], list[int]]) -> int:
    """Return how many bits the tokens take."""
    extra = sum(count * bits for count, bits in zip(literals[257:], huffman.LENGTH_EXTRA, strict=True))
    extra += sum(count * bits for count, bits in zip(distances, huffman.DISTANCE_EXTRA, strict=False))
    return extra + sum(count * bits for part, lengths in zip((literals, distances), codes, strict=True)
                       for count, bits in zip(part, lengths, strict=False))  # fmt: skip


def _stream(data: bytes, blocks: list[list[Token]]) -> bytes:
    """Return the stream of ``blocks``."""
    parts: list[tuple[int, int]] = []  # bits, how many
    for index, tokens in enumerate(blocks):
        (literals, distances), _ = _block(tokens)
        last = int(index == len(blocks) - 1)
        if len(literals) == 288:
            parts.append((last | 1 << 1, 3))
        else:
            parts += [(last | 2 << 1, 3), huffman.header(literals, distances)]
        literal_codes, distance_codes = huffman.codes(literals), huffman.codes(distances)
        for value, distance in tokens:
            if not distance:
                parts.append((literal_codes[value], literals[value]))
                continue
            symbol = huffman.LENGTH_SYMBOL[value]
            parts.append((literal_codes[257 + symbol], literals[257 + symbol]))
            parts.append((value - huffman.LENGTH_BASE[symbol], huffman.LENGTH_EXTRA[symbol]))
            symbol = huffman.DISTANCE_SYMBOL[distance]
            parts.append((distance_codes[symbol], distances[symbol]))
            parts.append((distance - huffman.DISTANCE_BASE[symbol], huffman.DISTANCE_EXTRA[symbol]))
        parts.append((literal_codes[huffman.END], literals[huffman.END]))
    return _packed(parts)


def _packed(parts: list[tuple[int, int]]) -> bytes:
    out = bytearray()
    held = count = 0
    for value, bits in parts:
        held |= value << count
        count += bits
        if count >= 32:
            whole = count // 8
            out += (held & (1 << 8 * whole) - 1).to_bytes(whole, "little")
            held >>= 8 * whole
            count -= 8 * whole
    return bytes(out) + held.to_bytes((count + 7) // 8, "little")
