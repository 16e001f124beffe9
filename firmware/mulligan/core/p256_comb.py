"""Combs: tables that make the sum of a multiple of G and one of a pinned key cheap. Bytes: docs/SPEC.md, "Comb table".

A comb of width w cuts a scalar of 256 bits into w rows of d = ceil(256 / w) bits and takes it column by column: d - 1 doublings
for both scalars together, and one addition per column for each (Lim and Lee, CRYPTO '94). Every bit stands for +1 or -1 (Hedabou,
Pinel and Bénéteau, 2005), which halves the table. Entry j of the comb of a point Q is

    B[w-1] + the sum over i < w-1 of (B[i] if bit i of j else -B[i]), where B[i] = 2**(i*d) * Q

A signer can send the slope of every line that the sum draws. Then no Jacobian coordinates are needed: a slope is checked by one
multiplication and takes part in two more, and what the check lets pass is the slope, whoever sent it.
"""

import struct
from hashlib import sha256

from .errors import FormatError
from .p256_curve import N, P
from .p256_field import registers, run
from .p256_programs import ADD_BY_SLOPE, IS_X, LOAD_NEGATIVE, LOAD_POINT, TAKE, TWICE_AND_ADD
from .p256_sum import Sum

MAGIC = b"MCMB"
VERSION = 1
HEADER = "<4sBBH"  # magic, version, width, reserved
HEADER_SIZE = 8
POINT = 64  # bytes of a point: see p256_curve.scaled()
MIN_WIDTH = 2
MAX_WIDTH = 8  # a digit fits into a byte

def spacing(width):
    """Columns of a comb: bits of a row."""
    return (255 + width) // width


def table_size(width):
    """Bytes of a table: the header, the comb of G, the comb of the key."""
    return HEADER_SIZE + (POINT << width)


def hint_size(width):
    """Bytes of a whole hint: the inverse of s, a slope for the first addition, three for each further column."""
    return 32 * (3 * spacing(width) - 1)


def entries(scalar, width):
    """For each column of a scalar below 2**256, the highest first: j to add point j of a comb, or ~j to subtract it."""
    d = spacing(width)
    # An odd k is the sum of ±2**i with a plus where bit i of (k + 2**(w*d) - 1) / 2 is set. Of an even one n - k is taken.
    even = not scalar & 1
    scalar = (N - scalar if even else scalar) + (1 << width * d) - 1 >> 1
    # A byte for each bit and then for each column, so that one addition takes a whole row; 48 is ASCII's 0.
    bits = bin(scalar | 1 << width * d)[3:].encode()
    columns = -48 * ((1 << width) - 1) * int.from_bytes(b"\1" * d, "big")
    for i in range(width):
        columns += int.from_bytes(bits[i * d : (i + 1) * d], "big") << width - 1 - i
    half = 1 << width - 1
    return [(~(c - half) if even else c - half) for c in columns.to_bytes(d, "big")]


class Table:
    """A table in RAM or in flash: ``source`` is bytes, or has readinto(offset, buf). Points are read one at a time.

    Only the header is looked at here. Raises: FormatError if there is no table of this version, or not the whole of it.
    """

    def __init__(self, source):
        readinto = getattr(source, "readinto", None)
        self._source = None if readinto else source
        self._readinto = readinto
        self._point = bytearray(POINT)
        if readinto is None and (not isinstance(source, (bytes, bytearray, memoryview)) or len(source) < HEADER_SIZE):
            raise FormatError("comb table: truncated, or not bytes at all")
        header = source
        if readinto:
            header = self._point
            readinto(0, header)
        magic, version, self.width, _ = struct.unpack_from(HEADER, header, 0)
        if magic != MAGIC or version != VERSION or not MIN_WIDTH <= self.width <= MAX_WIDTH:
            raise FormatError("comb table: none here, or of another version")
        if readinto is None and len(source) != table_size(self.width):
            raise FormatError("comb table: not as long as its width asks for")
        self.hint_size = hint_size(self.width)

    def seal(self, x, y):
        """The SHA-256 of the key (x, y) and its table, read in pieces."""
        hasher = sha256(x.to_bytes(32, "big") + y.to_bytes(32, "big"))
        size = table_size(self.width)
        if self._source is not None:
            hasher.update(self._source)
            return hasher.digest()
        for at in range(0, size, POINT):
            piece = memoryview(self._point)[: min(POINT, size - at)]
            self._readinto(at, piece)
            hasher.update(piece)
        return hasher.digest()

    def sum(self, u, v):
        """The Sum u·G + v·Q."""
        half = 1 << self.width - 1
        total = Sum()
        for g, q in zip(entries(u, self.width), entries(v, self.width)):
            total.double()
            for first, j in ((0, g), (half, q)):
                points, at = self.at(first + (j if j >= 0 else ~j))
                total.add(points, at, j < 0)
        return total

    def hinted_has_x(self, u, v, hint, candidates):
        """Whether the affine x coordinate of u·G + v·Q is one of ``candidates``, by the slopes in a whole ``hint``.

        None if a slope is false, or if a sum is a doubling or a cancellation, which has none.
        """
        words = registers(P)
        half = 1 << self.width - 1
        at = 32
        for g, q in zip(entries(u, self.width), entries(v, self.width)):
            self._load(words, 0, g)
            if at == 32:
                run(words, TAKE, 0, b"")
            elif run(words, TWICE_AND_ADD, at, hint):
                at += 64
            else:
                return None
            self._load(words, half, q)
            if not run(words, ADD_BY_SLOPE, at, hint):
                return None
            at += 32
        return any(run(words, IS_X, 0, x.to_bytes(32, "big")) for x in candidates)

    def at(self, j):
        """(buffer, offset) of point j of the table, until the next one is read."""
        at = HEADER_SIZE + POINT * j
        if self._readinto:
            self._readinto(at, self._point)
            return self._point, 0
        return self._source, at

    def _load(self, words, first, j):
        points, at = self.at(first + (j if j >= 0 else ~j))
        run(words, LOAD_POINT if j >= 0 else LOAD_NEGATIVE, at, points)
