"""The ESP-IDF partition table in its binary form, as it stands in flash at 0x8000.

    row   AA 50 | type u8 | subtype u8 | offset u32 | size u32 | label 16 bytes | flags u32      little-endian, 32 bytes
    MD5   EB EB | 14 x FF | MD5 of all the rows before it                                        once, after the last row
    rest  FF up to 0xC00

Source: ESP-IDF 5.x, partition_table/gen_esp32part.py and bootloader_support/src/flash_partitions.c.
"""

import hashlib
from collections import namedtuple
from struct import pack, unpack_from

from mulligan.core.errors import FormatError
from mulligan.core.esp_idf import APP as APP
from mulligan.core.esp_idf import DATA as DATA
from mulligan.core.esp_idf import FACTORY as FACTORY
from mulligan.core.esp_idf import FAT as FAT
from mulligan.core.esp_idf import NVS as NVS
from mulligan.core.esp_idf import OTA_0 as OTA_0
from mulligan.core.esp_idf import OTA_MAX as OTA_MAX
from mulligan.core.esp_idf import OTADATA as OTADATA
from mulligan.core.esp_idf import PHY as PHY

TABLE_OFFSET = 0x8000
TABLE_SIZE = 0xC00
ROW_SIZE = 32
ROWS_MAX = TABLE_SIZE // ROW_SIZE - 2  # the MD5 row takes one, and an erased one ends the table
LABEL_MAX = 15
_FORMAT = "<2sBBII16sI"
_MAGIC = b"\xaa\x50"
_MD5_MAGIC = b"\xeb\xeb" + b"\xff" * 14

ENCRYPTED = 1  # bits of ``flags``
READONLY = 2

Row = namedtuple("Row", ("type", "subtype", "offset", "size", "label", "flags"))


def encode(rows, md5=True):
    """The table of ``rows``, TABLE_SIZE bytes; without ``md5`` with no MD5 row. Raises: FormatError for too many rows, or a label
    too long."""
    most = ROWS_MAX if md5 else ROWS_MAX + 1
    if len(rows) > most:
        raise FormatError(f"partition table: {len(rows)} rows, at most {most} fit")
    data = b"".join([encode_row(row) for row in rows])
    if md5:
        data += _MD5_MAGIC + hashlib.md5(data).digest()
    return data + b"\xff" * (TABLE_SIZE - len(data))


def encode_row(row):
    """The 32 bytes of one row. Raises: FormatError for a label too long."""
    label = row.label.encode()
    if len(label) > LABEL_MAX:
        raise FormatError(f"partition table: label {row.label!r} is longer than {LABEL_MAX} bytes")
    label += b"\x00" * (16 - len(label))
    return pack(_FORMAT, _MAGIC, row.type, row.subtype, row.offset, row.size, label, row.flags)


def decode_row(data, at=0):
    """The row at ``data[at:]``. Raises: FormatError for anything but a row."""
    if len(data) < at + ROW_SIZE:
        raise FormatError("partition table: ends inside a row")
    magic, kind, subtype, offset, size, label, flags = unpack_from(_FORMAT, data, at)
    if magic != _MAGIC:
        raise FormatError(f"partition table: neither a row nor its end at +{at:#x}")
    label = label.split(b"\x00", 1)[0]
    try:
        return Row(kind, subtype, offset, size, label.decode(), flags)
    except UnicodeError:
        raise FormatError(f"partition table: label at +{at:#x} is not UTF-8")


def decode(data, md5=True):
    """The rows of a table. What follows its end is not looked at.

    Raises: FormatError if there is no table, if its MD5 does not match, or, with ``md5``, if it has none (as ESP-IDF's default
    build does).
    """
    rows = []
    for at in range(0, min(len(data), TABLE_SIZE) - ROW_SIZE + 1, ROW_SIZE):
        if bytes(data[at : at + 16]) == _MD5_MAGIC:
            if hashlib.md5(bytes(data[:at])).digest() != bytes(data[at + 16 : at + 32]):
                raise FormatError("partition table: its MD5 does not match its rows")
            return rows
        if not md5 and bytes(data[at : at + ROW_SIZE]) == b"\xff" * ROW_SIZE:
            return rows
        rows.append(decode_row(data, at))
    raise FormatError("partition table: no MD5 row")


def app_slots(rows):
    """The OTA app rows in slot order: ota_0, ota_1 and so on, as far as they follow on from one another."""
    found = {row.subtype: row for row in rows if row.type == APP}
    slots = []
    while len(slots) < OTA_MAX and OTA_0 + len(slots) in found:
        slots.append(found[OTA_0 + len(slots)])
    return slots
