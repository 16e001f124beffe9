"""What a partition table means for a device of ours: what fits, what is missing, and what another table does to what it holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from mulligan.core import layout
from mulligan.core.otadata import PARTITION_SIZE as OTADATA_SIZE
from mulligan.core.partitions import APP, DATA, FAT, OTADATA, Row, app_slots
from mulligan_host.partitions import SECTOR, SUBTYPES, TYPES, subtype_name, type_name

_ESP_IDF_TYPES = range(0x40)  # below the custom ones
_WORDS = {
    layout.JOURNAL: "journal",
    layout.KEYS: "keys",
    layout.EVENTS: "events",
    layout.STARTS: "starts",
    layout.APP: "app",
    layout.CONFIG: "config",
}
_PLANES = {layout.MODEL: "model", layout.APP: "app", layout.CONFIG: "config"}
VFS = "vfs"


@dataclass(frozen=True)
class Finding:
    """``fits`` is None for advice, which stops nothing."""

    what: str
    fits: bool | None
    reason: str


@dataclass(frozen=True)
class Change:
    """What becomes of one partition: ``kept``, ``renamed``, ``moved``, ``resized``, ``lost`` or ``added``."""

    change: str
    old: Row | None
    new: Row | None

    @property
    def loses(self) -> bool:
        """Whether what the partition holds is not there any more."""
        return self.change in ("moved", "resized", "lost")


def words(row: Row) -> tuple[str, str]:
    """What type and subtype are called, by ESP-IDF or by us; else their numbers."""
    if row.type == layout.TYPE:
        return "mulligan", _WORDS.get(row.subtype, f"model {row.subtype - layout.MODEL}")
    return type_name(row), subtype_name(row)


def pair(rows: Sequence[Row], subtype: int) -> tuple[Row, Row] | None:
    """The slot pair of that subtype, slot 0 first; None where there are not exactly two."""
    found = sorted((row for row in rows if (row.type, row.subtype) == (layout.TYPE, subtype)), key=lambda row: row.offset)
    return (found[0], found[1]) if len(found) == 2 else None


def model_pairs(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """The slot pairs for models, as the device counts them."""
    found: list[tuple[Row, Row]] = []
    while slots := pair(rows, layout.MODEL + len(found)):
        found.append(slots)
    return found


def room(slots: tuple[Row, Row]) -> int:
    """Bytes of the largest artifact that both slots hold."""
    return min(int(row.size) for row in slots)


def free(rows: Sequence[Row], start: int, flash_size: int) -> list[tuple[int, int]]:
    """The gaps from ``start`` to the end of the flash: (offset, size)."""
    gaps = []
    for row in sorted(rows, key=lambda row: row.offset):
        if row.offset > start:
            gaps.append((start, row.offset - start))
        start = max(start, row.offset + row.size)
    if flash_size > start:
        gaps.append((start, flash_size - start))
    return gaps


def with_vfs(rows: Sequence[Row], flash_size: int) -> list[Row]:
    """``rows``, and the ``vfs`` that MicroPython 1.26 and newer adds by itself behind the last row where none is named."""
    end = max((row.offset + row.size for row in rows), default=0)
    if any(row.label == VFS for row in rows) or end >= flash_size:
        return list(rows)
    return [*rows, Row(DATA, FAT, end, flash_size - end, VFS, 0)]


def check(
    rows: Sequence[Row], flash_size: int, firmware: int | None = None, models: Sequence[tuple[str, int]] = ()
) -> list[Finding]:
    """Whether ``rows`` are a layout for a flash of ``flash_size`` bytes, an app image of ``firmware`` bytes and ``models``,
    each with its name and the bytes of its slot image; the largest model goes into the largest slot pair."""
    end = max(row.offset + row.size for row in rows)
    findings = [Finding("flash", end <= flash_size, f"the table ends at {end:#x}, the flash at {flash_size:#x}")]
    if firmware is not None:
        slots = app_slots(rows) or [row for row in rows if row.type == APP]
        findings += [_fit(f"firmware in {row.label}", firmware, row.size) for row in slots]
        if not slots:
            findings.append(Finding("firmware", False, "the table has no app partition"))
    found = sorted(model_pairs(rows), key=room, reverse=True)
    for index, (name, size) in enumerate(sorted(models, key=lambda model: model[1], reverse=True)):
        if index < len(found):
            findings.append(_fit(f"{name} in {found[index][0].label}", size, room(found[index])))
        else:
            findings.append(Finding(name, False, f"the table has {len(found)} slot pairs for models: none is left for it"))
    return findings + [Finding("advice", None, reason) for reason in _advice(rows)]


def diff(old: Sequence[Row], new: Sequence[Row]) -> list[Change]:
    """What becomes of each partition when ``new`` takes the place of ``old``: nothing is carried along, so whatever does not
    stay where it was, as large as it was, loses what it holds."""
    changes = []
    matched = set()
    labels = {row.label for row in old}
    for row in sorted(old, key=lambda row: row.offset):
        there = next((other for other in new if other[:4] == row[:4]), None)
        named = next((other for other in new if other.label == row.label and other.type == row.type), None)
        if there is not None and there.label == row.label:
            changes.append(Change("kept", row, there))
        elif there is not None and there.label not in labels:
            changes.append(Change("renamed", row, there))
        elif named is not None and named.offset == row.offset:
            changes.append(Change("resized", row, named))
        elif named is not None:
            changes.append(Change("moved", row, named))
        else:
            changes.append(Change("lost", row, None))
        matched.add(changes[-1].new)
    return changes + [Change("added", None, row) for row in sorted(new, key=lambda row: row.offset) if row not in matched]


def _fit(what: str, size: int, room: int) -> Finding:
    left = room - size
    return Finding(what, left >= 0, f"{size} bytes of {room}, " + (f"{left} left" if left >= 0 else f"{-left} too many"))


def _advice(rows: Sequence[Row]) -> list[str]:
    said = []
    for row in rows:
        if row.type in _ESP_IDF_TYPES and row.type not in TYPES.values():
            said.append(f"{row.label}: type {row.type:#x} is kept for ESP-IDF; use 0x40 to 0xfe")
        if row.size == 0 or row.size % SECTOR:
            said.append(f"{row.label}: {row.size} bytes are not whole sectors of {SECTOR}; the rest can't be erased")
        names = {name: (kind, number) for kind, words in SUBTYPES.items() for name, number in words.items()}
        if row.label in names and (row.type, row.subtype) not in {
            (kind, words[row.label]) for kind, words in SUBTYPES.items() if row.label in words
        }:
            said.append(f"{row.label}: is called as a subtype that it does not have")
    if not any(row.label == VFS for row in rows):
        said.append("no vfs: MicroPython 1.26 and newer then takes all that is behind the last partition for it, older ones fail")
    has = {(row.type, row.subtype) for row in rows}
    if len(app_slots(rows)) < 2:
        said.append("fewer than two ota slots: the firmware can't be updated")
    elif (DATA, OTADATA) not in has:
        said.append(f"two ota slots and no otadata ({OTADATA_SIZE:#x} bytes): only the first would ever boot")
    for subtype, word in ((layout.JOURNAL, "journal"), (layout.KEYS, "keys")):
        if (layout.TYPE, subtype) not in has:
            said.append(f"no {word} (type {layout.TYPE:#x}, subtype {subtype:#x}): Mulligan does not start without it")
    for subtype, word in _PLANES.items():
        if pair(rows, subtype) is None:
            said.append(f"no slot pair (type {layout.TYPE:#x}, subtype {subtype:#x}) for the {word} plane: it can't be updated")
    for slots in [*model_pairs(rows), *filter(None, (pair(rows, layout.APP), pair(rows, layout.CONFIG)))]:
        if slots[0].size != slots[1].size:
            said.append(f"{slots[0].label} and {slots[1].label} are not of one size: the smaller one counts")
    return said
