"""The partition table's bytes, and the ways in which they can be wrong."""

import hashlib

from common import raises
from mulligan.core import partitions
from mulligan.core.errors import FormatError
from mulligan.core.partitions import Row

ROWS = [Row(1, 0, 0xD000, 0x2000, "otadata", 0), Row(0, 0x10, 0x10000, 0x180000, "ota_0", 1)]
GOLDEN = (
    b"\xaa\x50\x01\x00\x00\xd0\x00\x00\x00\x20\x00\x00otadata\0\0\0\0\0\0\0\0\0\0\0\0\0"
    b"\xaa\x50\x00\x10\x00\x00\x01\x00\x00\x00\x18\x00ota_0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0"
)


def test_golden_bytes():
    table = partitions.encode(ROWS)
    assert len(table) == partitions.TABLE_SIZE == 0xC00
    assert table[:64] == GOLDEN
    assert table[64:80] == b"\xeb\xeb" + b"\xff" * 14
    assert table[80:96] == hashlib.md5(GOLDEN).digest()
    assert table[96:] == b"\xff" * (0xC00 - 96)
    assert partitions.decode(table) == ROWS


def test_each_damaged_byte_is_noticed():
    table = bytearray(partitions.encode(ROWS))
    for at in range(96):
        for flip in (0x01, 0x80, 0xFF):
            table[at] ^= flip
            raises(FormatError, partitions.decode, table)
            table[at] ^= flip
    assert partitions.decode(table) == ROWS


def test_truncated_tables():
    table = partitions.encode(ROWS)
    for size in (0, 1, 31, 32, 63, 64, 80, 95):
        raises(FormatError, partitions.decode, table[:size])
    assert partitions.decode(table[:96]) == ROWS


def test_no_table_in_erased_or_zeroed_flash():
    raises(FormatError, partitions.decode, b"\xff" * 0xC00)
    raises(FormatError, partitions.decode, bytes(0xC00))


def test_limits():
    row = ROWS[0]
    full = [row] * partitions.ROWS_MAX
    assert partitions.decode(partitions.encode(full)) == full
    raises(FormatError, partitions.encode, full + [row])
    assert partitions.decode(partitions.encode([])) == []
    for label in ("x" * 16, "\u00e9" * 8):
        raises(FormatError, partitions.encode_row, Row(1, 2, 0x9000, 0x3000, label, 0))
    for label in ("", "x" * 15, "\u00e9" * 7):
        row = Row(1, 2, 0x9000, 0x3000, label, 0)
        assert partitions.decode_row(partitions.encode_row(row)) == row


def test_app_slots_are_in_slot_order_and_without_gaps():
    def app(subtype):
        return Row(0, subtype, 0, 0, "x", 0)

    rows = [app(0x11), app(0x10), app(0x00), Row(1, 0x12, 0, 0, "data", 0), app(0x13)]
    assert partitions.app_slots(rows) == [app(0x10), app(0x11)]
    assert partitions.app_slots([app(0x11)]) == []
