"""Partition tables as people write them: ESP-IDF's CSV, read into the rows that ``mulligan.core.partitions`` encodes.

Source: ESP-IDF 5.x, partition_table/gen_esp32part.py and its documentation (api-guides/partition-tables).
"""

import csv
from pathlib import Path

from mulligan.core.errors import FormatError
from mulligan.core.otadata import PARTITION_SIZE as OTADATA_SIZE
from mulligan.core.partitions import (
    APP,
    CUSTOM_MAX,
    CUSTOM_MIN,
    DATA,
    ENCRYPTED,
    FACTORY,
    FAT,
    LABEL_MAX,
    NVS,
    OTA_0,
    OTA_MAX,
    OTADATA,
    PHY,
    READONLY,
    ROWS_MAX,
    TABLE_OFFSET,
    Row,
)

SECTOR = 0x1000
APP_ALIGNMENT = 0x10000
FIRST_OFFSET = TABLE_OFFSET + SECTOR
NVS_SMALLEST = 0x3000
_TYPES = {"app": APP, "data": DATA}
_SUBTYPES: dict[int, dict[str, int]] = {
    APP: {"factory": FACTORY, "test": 0x20} | {f"ota_{i}": OTA_0 + i for i in range(OTA_MAX)},
    DATA: {
        "ota": OTADATA,
        "phy": PHY,
        "nvs": NVS,
        "coredump": 0x03,
        "nvs_keys": 0x04,
        "efuse": 0x05,
        "undefined": 0x06,
        "esphttpd": 0x80,
        "fat": FAT,
        "spiffs": 0x82,
        "littlefs": 0x83,
    },
}
_FLAGS = {"encrypted": ENCRYPTED, "readonly": READONLY}
_UNITS = {"K": 1024, "M": 1024 * 1024}


def read_csv(path: Path, flash_size: int) -> list[Row]:
    """Read the table in the CSV at ``path`` for a flash of ``flash_size`` bytes.

    Blank offsets follow on from the row before. Raises: FormatError, in one line with file and line number, for a row that is
    malformed, misaligned, too large, that overlaps another or has another's name.
    """
    rows: list[Row] = []
    end = FIRST_OFFSET
    for number, fields in enumerate(csv.reader(path.read_text(encoding="utf-8").splitlines()), start=1):
        cells = [cell.strip() for cell in fields]
        if not any(cells) or cells[0].startswith("#"):
            continue
        try:
            row = _row(cells, end)
            _check(row, rows, flash_size)
        except FormatError as e:
            raise FormatError(f"{path}:{number}: {e}") from None
        rows.append(row)
        end = row.offset + row.size
    if not rows:
        raise FormatError(f"{path}: no partitions in it")
    if len(rows) > ROWS_MAX:
        raise FormatError(f"{path}: {len(rows)} partitions, at most {ROWS_MAX} fit in a table")
    return rows


def find(rows: list[Row], label: str) -> Row:
    """Return the row named ``label``. Raises: FormatError if there is none."""
    for row in rows:
        if row.label == label:
            return row
    raise FormatError(f"no partition is named {label}; there are {', '.join(row.label for row in rows)}")


def _row(cells: list[str], end: int) -> Row:
    if not 5 <= len(cells) <= 6:
        raise FormatError(f"{len(cells)} fields; a row is: name, type, subtype, offset, size, flags")
    label, kind_text, subtype_text, offset_text, size_text = cells[:5]
    if not 0 < len(label.encode()) <= LABEL_MAX:
        raise FormatError(f"label {label!r}: 1 to {LABEL_MAX} bytes are allowed")
    kind = _number(kind_text, "type", _TYPES)
    if kind not in (APP, DATA) and not CUSTOM_MIN <= kind <= CUSTOM_MAX:
        raise FormatError(f"type {kind:#x}: use app, data, or {CUSTOM_MIN:#x} to {CUSTOM_MAX:#x}")
    subtype = _number(subtype_text, "subtype", _SUBTYPES.get(kind, {}))
    if not 0 <= subtype <= 0xFE:
        raise FormatError(f"subtype {subtype:#x}: use 0 to 0xfe")
    alignment = APP_ALIGNMENT if kind == APP else SECTOR
    offset = _number(offset_text, "offset", {}) if offset_text else -(-end // alignment) * alignment
    size = _number(size_text, "size", {})
    flags = 0
    for word in cells[5].split(":") if len(cells) == 6 and cells[5] else ():
        if word not in _FLAGS:
            raise FormatError(f"flag {word!r}: use {', '.join(_FLAGS)}")
        flags |= _FLAGS[word]
    return Row(kind, subtype, offset, size, label, flags)


def _number(text: str, what: str, names: dict[str, int]) -> int:
    if text in names:
        return names[text]
    unit = _UNITS.get(text[-1:].upper(), 1)
    try:
        return int(text[:-1] if unit > 1 else text, 0) * unit
    except ValueError:
        known = f" or one of {', '.join(names)}" if names else ", K or M after it"
        raise FormatError(f"{what} {text!r}: give a number{known}") from None


def _check(row: Row, before: list[Row], flash_size: int) -> None:
    """Raise FormatError if ``row`` breaks a rule, alone or with the rows ``before`` it."""
    alignment = APP_ALIGNMENT if row.type == APP else SECTOR
    if row.offset % alignment:
        raise FormatError(f"{row.label}: offset {row.offset:#x} is not a multiple of {alignment:#x}")
    if row.size <= 0 or row.size % SECTOR:
        raise FormatError(f"{row.label}: size {row.size:#x} is not a multiple of {SECTOR:#x} above zero")
    if row.offset < FIRST_OFFSET:
        raise FormatError(f"{row.label}: offset {row.offset:#x} is inside bootloader or table, which end at {FIRST_OFFSET:#x}")
    if row.offset + row.size > flash_size:
        raise FormatError(f"{row.label}: ends at {row.offset + row.size:#x}, the flash at {flash_size:#x}")
    if (row.type, row.subtype) == (DATA, OTADATA):
        if row.size != OTADATA_SIZE:
            raise FormatError(f"{row.label}: otadata has {OTADATA_SIZE:#x} bytes, not {row.size:#x}")
        if any((other.type, other.subtype) == (DATA, OTADATA) for other in before):
            raise FormatError(f"{row.label}: a second otadata")
    if (row.type, row.subtype) == (DATA, NVS) and row.size < NVS_SMALLEST and not row.flags & READONLY:
        raise FormatError(f"{row.label}: a writable nvs needs {NVS_SMALLEST:#x} bytes, not {row.size:#x}")
    for other in before:
        if other.label == row.label:
            raise FormatError(f"{row.label}: a second partition of that name")
        if row.offset < other.offset + other.size and other.offset < row.offset + row.size:
            raise FormatError(f"{row.label}: overlaps {other.label}")
