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
from .p256_curve import INFINITY, G, N, P, add, affine, double, integer, on_curve

MAGIC = b"MCMB"
VERSION = 1
HEADER = "<4sBBH"  # magic, version, width, reserved
HEADER_SIZE = 8
POINT = 64  # bytes of an entry: x‖y, big-endian
MIN_WIDTH = 2
MAX_WIDTH = 10


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
    """For each column of a scalar below 2**256, the lowest first: j to add entry j, or ~j to subtract it."""
    d = spacing(width)
    size = d + 7 >> 3
    # An odd k is the sum of ±2**i with a plus where bit i of (k + 2**(w*d) - 1) / 2 is set. Of an even one n - k is taken.
    even = not scalar & 1
    scalar = (N - scalar if even else scalar) + (1 << width * d) - 1 >> 1
    columns = [-1 << width - 1] * d  # without its top bit a column is the negative of another, all signs turned
    for i in range(width):
        row = (scalar >> i * d & (1 << d) - 1).to_bytes(size, "little")
        for c in range(d):
            if row[c >> 3] >> (c & 7) & 1:
                columns[c] += 1 << i
    return [~j for j in columns] if even else columns


class Table:
    """A table in RAM or in flash: ``source`` is bytes, or has readinto(offset, buf). Points are read one at a time.

    Only the header is looked at here. Raises: FormatError if there is no table of this version, or not the whole of it.
    """

    def __init__(self, source):
        self._source = source
        self._readinto = getattr(source, "readinto", None)
        self._buffer = bytearray(POINT)
        if self._readinto is None and (not isinstance(source, (bytes, bytearray, memoryview)) or len(source) < HEADER_SIZE):
            raise FormatError("comb table: truncated, or not bytes at all")
        magic, version, self.width, _ = struct.unpack(HEADER, self._read(0, HEADER_SIZE))
        if magic != MAGIC or version != VERSION or not MIN_WIDTH <= self.width <= MAX_WIDTH:
            raise FormatError("comb table: none here, or of another version")
        if self._readinto is None and len(source) != table_size(self.width):
            raise FormatError("comb table: not as long as its width asks for")

    def check(self, x, y):
        """Raises: FormatError if a single entry is not the sum that it stands for, for the key (x, y)."""
        self._check_comb(0, G[0], G[1])
        self._check_comb(1 << self.width - 1, x, y)

    def seal(self, x, y):
        """The SHA-256 of the key (x, y) and its table, read in pieces."""
        hasher = sha256(x.to_bytes(32, "big") + y.to_bytes(32, "big"))
        hasher.update(self._read(0, HEADER_SIZE))
        for at in range(HEADER_SIZE, table_size(self.width), POINT):
            hasher.update(self._read(at, POINT))
        return hasher.digest()

    def sum(self, u, v):
        """u·G + v·Q in Jacobian coordinates."""
        half = 1 << self.width - 1
        g = entries(u, self.width)
        q = entries(v, self.width)
        total = INFINITY
        for c in range(len(g) - 1, -1, -1):
            if total[2]:
                total = double(total)
            x, y = self._point(0, g[c])
            total = add(total, x, y)
            x, y = self._point(half, q[c])
            total = add(total, x, y)
        return total

    def hinted_x(self, u, v, slopes):
        """The x coordinate of u·G + v·Q by its slopes, or None if one of them is false or the sum needs a doubling.

        A column takes 8 multiplications. The y coordinates only ever stand in sums, so they are not reduced.
        """
        half = 1 << self.width - 1
        g = entries(u, self.width)
        q = entries(v, self.width)
        c = len(g) - 1
        x, y = self._point(0, g[c])
        x2, y2 = self._point(half, q[c])
        at = 0
        while True:
            # (x, y) + (x2, y2). With equal x any slope would pass.
            slope = integer(slopes[at : at + 32])
            if x == x2 or (slope * (x2 - x) - y2 + y) % P:
                return None
            x3 = (slope * slope - x - x2) % P
            if not c:
                return x3
            y = slope * (x - x3) - y
            x = x3
            c -= 1
            # 2·(x, y) + (x2, y2) as ((x, y) + (x2, y2)) + (x, y): the point between needs no y.
            x2, y2 = self._point(0, g[c])
            slope = integer(slopes[at + 32 : at + 64])
            if x == x2 or (slope * (x2 - x) - y2 + y) % P:
                return None
            x3 = (slope * slope - x - x2) % P
            both = integer(slopes[at + 64 : at + 96])  # the sum of this slope and the next
            if (both * (x - x3) - 2 * y) % P:
                return None
            slope = both - slope
            x2 = (slope * slope - x - x3) % P
            y = slope * (x - x2) - y
            x = x2
            x2, y2 = self._point(half, q[c])
            at += 96

    def _point(self, base, j):
        """Entry j of the comb that begins with entry ``base``, or the negative of entry ~j."""
        data = self._read(HEADER_SIZE + POINT * (base + (j if j >= 0 else ~j)), POINT)
        y = integer(data[32:])
        return integer(data[:32]), y if j >= 0 else P - y

    def _read(self, at, size):
        if self._readinto is None:
            return self._source[at : at + size]
        view = memoryview(self._buffer)[:size]
        self._readinto(at, view)
        return view

    def _check_comb(self, base, x, y):
        total = x, y, 1
        doubled = []  # 2·B[i] for i < w-1
        for _ in range(self.width - 1):
            total = double(total)
            doubled.append(affine(total))
            for _ in range(spacing(self.width) - 1):
                total = double(total)
        # Twice entry 0 is 2·B[w-1] less all of them, and no other point has the same double: the order is odd.
        total = double(total)
        x, y = self._point(base, 0)
        sound = on_curve(x, y)
        for x2, y2 in doubled + [(x, y), (x, y)]:
            total = add(total, x2, P - y2)
        sound = sound and not total[2]
        # Entry j is entry j less its lowest bit i, plus 2·B[i]: it is on the curve, and with its sign turned on the line through
        # those two, which meets the curve in just one further point.
        for j in range(1, 1 << self.width - 1):
            i = 0
            while not j >> i & 1:
                i += 1
            x1, y1 = self._point(base, j & j - 1)
            x2, y2 = doubled[i]
            x, y = self._point(base, j)
            if not sound or x1 == x2 or x in (x1, x2) or ((y2 - y1) * (x - x1) + (y + y1) * (x2 - x1)) % P or not on_curve(x, y):
                raise FormatError("comb table: entry {} is not the sum that it stands for".format(base + j))
