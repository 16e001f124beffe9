"""Partition tables as people write them: ESP-IDF's CSV to rows and back, by the rules of its generator.

``mulligan.core.partitions`` encodes the rows. What the generator takes gives the same bytes here, and what it refuses is refused.
Two things that it takes are refused: a label that it would cut short, and a table without rows.

Source: ESP-IDF, components/partition_table/gen_esp32part.py 1.5, and its documentation (api-guides/partition-tables).
"""

import codecs
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mulligan.core.errors import FormatError
from mulligan.core.otadata import PARTITION_SIZE as OTADATA_SIZE
from mulligan.core.partitions import (
    APP,
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
NVS_SMALLEST = 0x3000
BOOTLOADER, TABLE = 0x02, 0x03
TYPES = {"bootloader": BOOTLOADER, "partition_table": TABLE, "app": APP, "data": DATA}
_PRIMARY, _RECOVERY = 0x00, 0x02  # subtypes of BOOTLOADER and TABLE
_COREDUMP, _UNDEFINED, _TEE_OTADATA = 0x03, 0x06, 0x90  # subtypes of DATA
SUBTYPES: dict[int, dict[str, int]] = {
    BOOTLOADER: {"primary": _PRIMARY, "ota": 0x01, "recovery": _RECOVERY},
    TABLE: {"primary": _PRIMARY, "ota": 0x01},
    APP: {"factory": FACTORY, "test": 0x20, "tee_0": 0x30, "tee_1": 0x31} | {f"ota_{i}": OTA_0 + i for i in range(OTA_MAX)},
    DATA: {
        "ota": OTADATA,
        "phy": PHY,
        "nvs": NVS,
        "coredump": _COREDUMP,
        "nvs_keys": 0x04,
        "efuse": 0x05,
        "undefined": _UNDEFINED,
        "esphttpd": 0x80,
        "fat": FAT,
        "spiffs": 0x82,
        "littlefs": 0x83,
        "tee_ota": _TEE_OTADATA,
    },
}
_FLAGS = {"encrypted": ENCRYPTED, "readonly": READONLY}
_UNITS = {"k": 1024, "m": 1024 * 1024}
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF32_BE: "utf-32",
}


@dataclass(frozen=True)
class Place:
    """Where the chip looks for what is not in the table's hands: addresses in flash."""

    table: int = TABLE_OFFSET
    bootloader: int | None = None
    """Needed only by a table with rows of type ``bootloader``."""
    recovery: int | None = None
    """Of the recovery bootloader; needed only by a table with a row of that."""

    @property
    def end(self) -> int:
        """The first address that a partition may have."""
        return self.table + SECTOR


DEFAULT = Place()


@dataclass
class _Draft:
    """A row of the CSV, before blanks are filled in."""

    line: int
    label: str
    type: int
    subtype: int
    offset: int | None
    size: int
    flags: int

    @property
    def fixed(self) -> bool:
        """Whether it names what lies before the table, and takes no part in filling in offsets."""
        return self.type in (BOOTLOADER, TABLE) and self.subtype == _PRIMARY


def read_csv(path: Path, flash_size: int | None = None, place: Place = DEFAULT) -> list[Row]:
    """Read the table in the CSV at ``path``, for a flash of ``flash_size`` bytes if that is given.

    Blank offsets follow on from the row before, a size of -N ends a partition at N, and ``$NAME`` is the environment's.
    Raises: FormatError, in one line with file and line number, for a table that the generator refuses.
    """
    return parse_csv(path.read_bytes(), str(path), flash_size, place)


def parse_csv(raw: bytes, name: str, flash_size: int | None = None, place: Place = DEFAULT) -> list[Row]:
    """As ``read_csv``, for the bytes of a file called ``name``."""
    encoding = next((encoding for bom, encoding in _BOMS.items() if raw.startswith(bom)), "utf-8")
    try:
        lines = raw.decode(encoding).splitlines()
    except UnicodeDecodeError:
        raise FormatError(f"{name}: neither a CSV nor anything else with a partition table in it") from None
    if place.bootloader is not None and place.bootloader >= place.table:
        raise FormatError(f"{name}: the bootloader at {place.bootloader:#x} is not below the table at {place.table:#x}")
    drafts: list[_Draft] = []
    for number, written in enumerate(lines, start=1):
        try:
            line = os.path.expandvars(written)
            if unknown := re.match(r"\$([A-Za-z_]\w*)", line):
                raise FormatError(f"the environment has no variable {unknown[1]}")
            line = line.strip()
            if line and not line.startswith("#"):
                drafts.append(_draft(line, number, place))
        except FormatError as e:
            raise FormatError(f"{name}:{number}: {e}") from None
    rows = [_row(draft, end, drafts, name, place) for draft, end in _laid_out(drafts, place)]
    for index, fault in _faults(rows, place):
        raise FormatError(f"{name}:{drafts[index].line}: {fault}")
    if not rows:
        raise FormatError(f"{name}: no partitions in it")
    if len(rows) > ROWS_MAX:
        raise FormatError(f"{name}: {len(rows)} partitions, at most {ROWS_MAX} fit in a table")
    if flash_size is not None:
        try:
            verify_size(rows, flash_size)
        except FormatError as e:
            raise FormatError(f"{name}: {e}") from None
    return rows


def to_csv(rows: list[Row]) -> str:
    """The CSV of ``rows``, character for character as the generator writes it."""
    lines = ["# ESP-IDF Partition Table", "# Name, Type, SubType, Offset, Size, Flags"]
    for row in rows:
        flags = ":".join(word for word, bit in _FLAGS.items() if row.flags & bit)
        fields = (row.label, type_name(row), subtype_name(row), f"{row.offset:#x}", _size(row.size), flags)
        lines.append(",".join(fields))
    return "\n".join(lines) + "\n"


def type_name(row: Row) -> str:
    """The word for the row's type, or its number where ESP-IDF has none."""
    return _name(TYPES, row.type)


def subtype_name(row: Row) -> str:
    """The word for the row's subtype, or its number where ESP-IDF has none."""
    return _name(SUBTYPES.get(row.type, {}), row.subtype)


def verify(rows: list[Row], place: Place = DEFAULT) -> None:
    """Raise FormatError for the first rule that ``rows``, from wherever they come, break."""
    for _, fault in _faults(rows, place):
        raise FormatError(fault)


def verify_size(rows: list[Row], flash_size: int) -> None:
    """Raise FormatError if ``rows`` need a larger flash than one of ``flash_size`` bytes."""
    last = max(rows, key=lambda row: row.offset)
    if last.offset + last.size > flash_size:
        raise FormatError(
            f"{last.label} ends at {last.offset + last.size:#x}, the flash at {flash_size:#x}: "
            "make it smaller, or give a board with a larger flash"
        )


def find(rows: list[Row], label: str) -> Row:
    """Return the row named ``label``. Raises: FormatError if there is none."""
    for row in rows:
        if row.label == label:
            return row
    raise FormatError(f"no partition is named {label}; there are {', '.join(row.label for row in rows)}")


def _draft(line: str, number: int, place: Place) -> _Draft:
    label, kind_text, subtype_text, offset_text, size_text, flags_text = [cell.strip() for cell in (line + ",,,,,").split(",")][
        :6
    ]
    if len(label.encode()) > LABEL_MAX:
        raise FormatError(f"label {label!r} is longer than {LABEL_MAX} bytes: shorten it")
    if not kind_text:
        raise FormatError("the type is left blank: give app, data or a number")
    kind = _number(kind_text, "type", TYPES)
    if subtype_text:
        subtype = _number(subtype_text, "subtype", SUBTYPES.get(kind, {}))
    elif kind == APP:
        raise FormatError("an app partition needs a subtype: factory, test or ota_0 to ota_15")
    else:
        subtype = _UNDEFINED
    offset = _offset(offset_text, kind, subtype, place)
    size = _size_of(size_text, kind, place)
    flags = 0
    for word in flags_text.split(":"):
        if word and word not in _FLAGS:
            raise FormatError(f"flag {word!r}: use {', '.join(_FLAGS)}")
        flags |= _FLAGS.get(word, 0)
    return _Draft(number, label, kind, subtype, offset, size, flags)


def _offset(text: str, kind: int, subtype: int, place: Place) -> int | None:
    if kind == TABLE and subtype == _PRIMARY:
        return place.table
    if kind == BOOTLOADER and subtype in (_PRIMARY, _RECOVERY):
        given = place.bootloader if subtype == _PRIMARY else place.recovery
        if given is None:
            what = "primary" if subtype == _PRIMARY else "recovery"
            raise FormatError(f"a bootloader row: say where it is with --{what}-bootloader-offset")
        return given
    return _number(text, "offset", {}) if text else None


def _size_of(text: str, kind: int, place: Place) -> int:
    if kind == TABLE:
        return SECTOR
    if kind == BOOTLOADER:
        if place.bootloader is None:
            raise FormatError("a bootloader row: say where it is with --primary-bootloader-offset")
        return place.table - place.bootloader
    if not text:
        raise FormatError("the size is left blank: only an offset can be")
    return _number(text, "size", {})


def _number(text: str, what: str, names: dict[str, int]) -> int:
    """A number with any count of K and M behind it, or one of ``names``, in either case."""
    try:
        unit = _UNITS.get(text[-1:].lower())
        return _number(text[:-1], what, names) * unit if unit else int(text, 0)
    except ValueError:
        if text.lower() in names:
            return names[text.lower()]
        known = f" or one of {', '.join(names)}" if names else ", K or M after it"
        raise FormatError(f"{what} {text!r}: give a number{known}") from None


def _laid_out(drafts: list[_Draft], place: Place) -> Iterator[tuple[_Draft, int]]:
    """Fill in offsets and sizes; each draft with the end of what lies before it."""
    end = place.end
    for draft in drafts:
        before = end
        if not draft.fixed:
            if draft.offset is None:
                alignment = _alignment(draft.type)
                before = draft.offset = -(-end // alignment) * alignment
            if draft.size < 0:
                draft.size = -draft.size - draft.offset
            end = draft.offset + draft.size
        yield draft, before


def _row(draft: _Draft, end: int, drafts: list[_Draft], name: str, place: Place) -> Row:
    assert draft.offset is not None
    if not draft.fixed and draft.offset < end:
        what = f"the partition table ends at {end:#x}" if draft is drafts[0] else f"the row before ends at {end:#x}"
        raise FormatError(f"{name}:{draft.line}: {draft.label}: overlaps: it begins at {draft.offset:#x}, and {what}")
    return Row(draft.type, draft.subtype, draft.offset, draft.size, draft.label, draft.flags)


def _alignment(kind: int) -> int:
    return APP_ALIGNMENT if kind == APP else SECTOR


def _faults(rows: list[Row], place: Place) -> Iterator[tuple[int, str]]:
    """Each rule that is broken: the row's index, and what is wrong with it."""
    for index, row in enumerate(rows):
        for fault in _faults_alone(row):
            yield index, f"{row.label}: {fault}"
    labels = [row.label for row in rows]
    for index, row in enumerate(rows):
        if row.label in labels[:index]:
            yield index, f"{row.label}: a second partition of that name"
    last: Row | None = None
    for index, row in sorted(enumerate(rows), key=lambda item: item[1].offset):
        if row.offset < place.end and not (row.type in (BOOTLOADER, TABLE) and row.subtype == _PRIMARY):
            yield index, f"{row.label}: offset {row.offset:#x} is inside bootloader or table, which end at {place.end:#x}"
        if last is not None and row.offset < last.offset + last.size:
            yield index, f"{row.label}: overlaps {last.label}"
        last = row
    for subtype, word in ((OTADATA, "otadata"), (_TEE_OTADATA, "TEE otadata")):
        found = [index for index, row in enumerate(rows) if (row.type, row.subtype) == (DATA, subtype)]
        for index in found[1:]:
            yield index, f"{rows[index].label}: a second {word}"
        for index in found:
            if rows[index].size != OTADATA_SIZE:
                yield index, f"{rows[index].label}: {word} has {OTADATA_SIZE:#x} bytes, not {rows[index].size:#x}"


def _faults_alone(row: Row) -> Iterator[str]:
    if row.offset % _alignment(row.type):
        yield f"offset {row.offset:#x} is not a multiple of {_alignment(row.type):#x}"
    if row.type == APP and row.size % SECTOR:
        yield f"size {row.size:#x} of an app is not a multiple of {SECTOR:#x}"
    if row.type == DATA and row.flags & READONLY and row.subtype in (OTADATA, _COREDUMP):
        yield "otadata and coredump are always written to, and can't be readonly"
    if (row.type, row.subtype) == (DATA, NVS) and row.size < NVS_SMALLEST and not row.flags & READONLY:
        yield f"a writable nvs needs {NVS_SMALLEST:#x} bytes, not {row.size:#x}: enlarge it, or flag it readonly"
    for what, value, most in (
        ("type", row.type, 0xFF),
        ("subtype", row.subtype, 0xFF),
        ("offset", row.offset, 0xFFFFFFFF),
        ("size", row.size, 0xFFFFFFFF),
    ):
        if not 0 <= value <= most:
            yield f"{what} {value:#x} is not from 0 to {most:#x}"


def _name(names: dict[str, int], value: int) -> str:
    return next((name for name, number in names.items() if number == value), str(value))


def _size(size: int) -> str:
    for unit, letter in ((0x100000, "M"), (0x400, "K")):
        if size % unit == 0:
            return f"{size // unit}{letter}"
    return f"{size:#x}"
