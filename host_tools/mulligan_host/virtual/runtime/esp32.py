"""``esp32`` of the stock firmware, as far as Mulligan needs it, on the virtual board's flash.

Source: MicroPython 1.25, ports/esp32/esp32_partition.c, and ESP-IDF's esp_partition.c and esp_ota_ops.c behind it.
"""

import struct

import _virtual
from _virtual import call

_ANY = 0xFF
_BLOCK = 4096


class Partition:
    """One row of the partition table."""

    BOOT = 0
    RUNNING = 1
    TYPE_APP = 0
    TYPE_DATA = 1

    def __init__(self, id, block_size=_BLOCK):
        # block_size below the sector's needs a cache that the virtual board does not have.
        if block_size != _BLOCK:
            raise NotImplementedError("the virtual board has block_size 4096 only")
        if isinstance(id, tuple):  # only from this module: the index of the row
            self._index = id[0]
        elif isinstance(id, int):
            if id not in (self.BOOT, self.RUNNING):
                raise ValueError
            self._index = call(_virtual.SLOT, id)
        else:
            # By label only app and data partitions are found, as on the chip: a custom type needs find().
            found = _matching(self.TYPE_APP, _ANY, id) or _matching(self.TYPE_DATA, _ANY, id)
            if not found:
                raise OSError(2)
            self._index = found[0]
        self._info = _row(self._index)
        self._address = self._info[2]
        self._size = self._info[3]

    @classmethod
    def find(cls, type=TYPE_APP, subtype=_ANY, label=None, block_size=_BLOCK):
        if block_size != _BLOCK:
            raise NotImplementedError("the virtual board has block_size 4096 only")
        return [cls((index,)) for index in _matching(type, subtype, label)]

    def info(self):
        return self._info

    def readblocks(self, n, buf, offset=0):
        at = n * _BLOCK + offset
        size = len(buf)
        self._bounds(at, size)
        _virtual.read(self._address + at, buf)

    def writeblocks(self, n, buf, offset=None):
        at = n * _BLOCK
        size = len(buf)
        if offset is None:
            self._erase(at, size)
        else:
            at += offset
        self._bounds(at, size)
        call(_virtual.PROGRAM, self._address + at, 0, buf)

    def ioctl(self, op, arg):
        if op == 4:
            return self._size // _BLOCK
        if op == 5:
            return _BLOCK
        if op == 6:
            self._erase(arg * _BLOCK, _BLOCK)
        return 0 if op in (1, 2, 3, 6) else None

    def set_boot(self):
        call(_virtual.SET_BOOT, self._index)

    def get_next_update(self):
        return Partition((call(_virtual.NEXT, self._index),))

    @classmethod
    def mark_app_valid_cancel_rollback(cls):
        call(_virtual.CONFIRM)

    def _erase(self, at, size):
        if size % _BLOCK:
            raise _virtual.error(-0x104)
        self._bounds(at, size)
        call(_virtual.ERASE, self._address + at, size)

    def _bounds(self, at, size):
        if at < 0 or at > self._size:
            raise _virtual.error(-0x102)
        if at + size > self._size:
            raise _virtual.error(-0x104)

    def __repr__(self):
        return "<Partition type=%d, subtype=%d, address=%d, size=%d, label=%s, encrypted=%d>" % self._info


def _row(index):
    """The info() tuple of a row of the table."""
    _, kind, subtype, address, size, label, flags = struct.unpack("<2sBBII16sI", _virtual.payload(_virtual.ROW, index))
    return kind, subtype, address, size, label.rstrip(b"\0").decode(), bool(flags & 1)


def _matching(kind, subtype, label):
    """The indexes of the rows that match."""
    return _virtual.payload(_virtual.FIND, kind, subtype, b"" if label is None else label.encode() + b"\0")
