"""ESP-IDF's second-stage bootloader, on a flash: reads the table and otadata, chooses an app, writes otadata back.

The choice itself is ``mulligan.core.otadata.bootloader``; here are only the reads and the writes around it.
"""

from dataclasses import dataclass

from mulligan.core import otadata, partitions
from mulligan.core.errors import FormatError
from mulligan_host.virtual import firmware
from mulligan_host.virtual.firmware import Firmware
from mulligan_host.virtual.flash import Nor

Entries = tuple[otadata.Entry, otadata.Entry]


@dataclass(frozen=True)
class Boot:
    """What the bootloader started."""

    rows: list[partitions.Row]
    app: partitions.Row
    firmware: Firmware


def boot(flash: Nor) -> Boot | None:
    """Choose and load an app; None if none loads, where the chip would reset and try again for ever.

    Raises: FormatError if there is no valid partition table; PowerCut.
    """
    rows = read_table(flash)
    slots = partitions.app_slots(rows)
    factory = first(rows, partitions.APP, partitions.FACTORY)
    data = first(rows, partitions.DATA, partitions.OTADATA)
    loaded: dict[int, Firmware] = {}

    def row_of(slot: int) -> partitions.Row | None:
        return factory if slot == otadata.FACTORY else slots[slot]

    def loadable(slot: int) -> bool:
        row = row_of(slot)
        found = load(flash, row) if row is not None else None
        if found is None or not found.load:
            return False
        loaded[slot] = found
        return True

    if data is None:
        # Without otadata the start is the factory app, from where the bootloader walks up.
        tried = [otadata.FACTORY, *range(len(slots))]
        slot = next((s for s in tried if loadable(s)), None)
    else:
        entries = read_otadata(flash, data)
        slot, decided = otadata.bootloader(entries, len(slots), loadable, factory is not None)
        for index, entry in otadata.changes(entries, decided):
            write_entry(flash, data, index, entry)
    if slot is None:
        return None
    app = row_of(slot)
    assert app is not None
    return Boot(rows, app, loaded[slot])


def read_table(flash: Nor) -> list[partitions.Row]:
    """Return the rows of the partition table. Raises: FormatError."""
    rows: list[partitions.Row] = partitions.decode(flash.read(partitions.TABLE_OFFSET, partitions.TABLE_SIZE))
    return rows


def first(rows: list[partitions.Row], kind: int, subtype: int) -> partitions.Row | None:
    """Return the first row of that type and subtype."""
    return next((row for row in rows if (row.type, row.subtype) == (kind, subtype)), None)


def load(flash: Nor, app: partitions.Row) -> Firmware | None:
    """Return the firmware in the partition ``app``; None if it is not a valid image.

    Not counted as a read: how much of the slot is image is known only once it is parsed.
    """
    try:
        return firmware.inspect(flash.peek(app.offset, app.size))
    except FormatError:
        return None


def read_otadata(flash: Nor, data: partitions.Row) -> Entries:
    """Return the two entries in the partition ``data``."""
    first, second = (otadata.decode(flash.read(data.offset + i * otadata.SECTOR, otadata.ENTRY_SIZE)) for i in (0, 1))
    return first, second


def write_entry(flash: Nor, data: partitions.Row, index: int, entry: otadata.Entry) -> None:
    """Rewrite one entry, as ESP-IDF does. Raises: PowerCut."""
    address = data.offset + index * otadata.SECTOR
    flash.erase(address)
    # A cut here leaves a blank entry: invalid, so the other one decides.
    flash.program(address, otadata.encode(entry))
    # A cut inside leaves an entry whose crc is wrong (seq is its first word, crc its last), so equally invalid.
