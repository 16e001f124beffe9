"""Walks a flatbuffer in place, over a random-access source, believing nothing it reads.

Promises: every offset, length and index is checked against the size of the source before it is followed, whatever the file
says, so that only `ModelError` comes out of a damaged one. Holds 128 bytes of it at a time, none if the source has a view. The
walk follows the schema, which nests to a fixed depth, so there is no recursion to bound.

Source of the format: FlatBuffers "Internals" (little-endian; a table starts with a signed offset back to its vtable; a vtable is
u16 own length, u16 table length, then a u16 per field; other references are unsigned and forward).
"""

from ..core.model_errors import ModelError
from .limits import MAX_FILE

_CACHE = 128


class Reader:
    """``source`` has ``size`` (bytes) and ``readinto(offset, buf)``, which fills ``buf`` or raises; it may have a ``view``, a
    memoryview of these ``size`` bytes.

    Positions are byte offsets from the start of the file; position 0 stands for "absent".
    """

    def __init__(self, source, name):
        if not 12 <= source.size <= MAX_FILE:
            raise ModelError("model of %d bytes: must be 12 to %d" % (source.size, MAX_FILE))
        self.size = source.size
        self._source = source
        self._cache = getattr(source, "view", None)
        self._start = 0
        if self._cache is None:
            self._cache = bytearray(min(_CACHE, self.size))
            self._start = -1
        if bytes([self.u8(4 + i) for i in range(4)]) != name:
            raise ModelError("not a .tflite file: no %s at byte 4" % name.decode())

    def _find(self, at, n):
        """Index into the cache of ``n`` (at most 8) bytes at position ``at``, reading them if need be."""
        i = at - self._start
        cache = self._cache
        if self._start < 0 or i < 0 or i + n > len(cache):
            if at < 0 or at + n > self.size:
                raise ModelError("byte %d is outside the model's %d bytes" % (at, self.size))
            self._start = min(at & -16, self.size - len(cache))
            self._source.readinto(self._start, cache)
            i = at - self._start
        return i

    def u8(self, at):
        return self._cache[self._find(at, 1)]

    def u16(self, at):
        i = self._find(at, 2)
        c = self._cache
        return c[i] | c[i + 1] << 8

    def u32(self, at):
        i = self._find(at, 4)
        c = self._cache
        return c[i] | c[i + 1] << 8 | c[i + 2] << 16 | c[i + 3] << 24

    def i32(self, at):
        v = self.u32(at)
        return v - 0x100000000 if v >= 0x80000000 else v

    def table(self, at):
        """Position of the table referred to at ``at``, its vtable checked."""
        t = at + self.u32(at)
        v = t - self.i32(t)
        length = self.u16(v)
        span = self.u16(v + 2)
        if length < 4 or length & 1 or v + length > self.size or span < 4 or t + span > self.size:
            raise ModelError("table at byte %d has a broken vtable" % t)
        return t

    def field(self, table, index, size):
        """Position of field ``index``, ``size`` bytes wide, of a table that `table` returned; 0 if absent."""
        if not table:
            return 0
        v = table - self.i32(table)
        if 6 + 2 * index > self.u16(v):
            return 0
        offset = self.u16(v + 4 + 2 * index)
        if not offset:
            return 0
        if offset < 4 or offset + size > self.u16(v + 2):
            raise ModelError("field %d of the table at byte %d lies outside it" % (index, table))
        return table + offset

    def child(self, table, index):
        """The table that field ``index`` refers to; 0 if absent."""
        at = self.field(table, index, 4)
        return self.table(at) if at else 0

    def vector(self, table, index, size):
        """(position of the first item, count) of a vector of ``size``-byte items; (0, 0) if absent."""
        at = self.field(table, index, 4)
        if not at:
            return 0, 0
        at += self.u32(at)
        count = self.u32(at)
        if at + 4 + count * size > self.size:
            raise ModelError("vector at byte %d is longer than the model" % at)
        return at + 4, count

    def byte(self, table, index, value=0):
        at = self.field(table, index, 1)
        return self.u8(at) if at else value

    def int(self, table, index, value=0):
        at = self.field(table, index, 4)
        return self.i32(at) if at else value
