"""What goes where in the flash of a new board: stock firmware, taken apart, under a layout of ours. No board is touched here."""

from collections.abc import Sequence
from dataclasses import dataclass

from mulligan.core import partitions
from mulligan.core.errors import FormatError, NoSlot
from mulligan.core.partitions import APP, DATA, OTADATA, PHY, Row, app_slots
from mulligan_host import images, layouts
from mulligan_host.boards import Board
from mulligan_host.errors import HostError
from mulligan_host.partitions import SECTOR, read_csv, verify_size
from mulligan_host.resources import resource
from mulligan_host.virtual import firmware as virtual

STOCK = "micropython"
"""The project in the app description of every MicroPython for these chips."""
VIRTUAL_BOARD = "virtual"
_ERASED = b"\xff"


@dataclass(frozen=True)
class Part:
    """Bytes for one place."""

    what: str
    offset: int
    data: bytes


@dataclass(frozen=True)
class Plan:
    """Everything that is written to make a board of ``board``, in the order in which it is written.

    The table comes last: a board on which this was cut short still has its old one, so that the next attempt finds out the same.
    """

    board: Board
    layout: str
    rows: list[Row]
    app: images.Image
    parts: list[Part]


def make(firmware: images.Firmware, name: str, board: Board, layout: str, rows: list[Row]) -> Plan:
    """The plan for the combined image ``firmware``, of a file called ``name``, under the ``rows`` of the layout ``layout``.

    Raises: HostError for another chip's or a foreign firmware, NoSlot for one that the layout has no room for, FormatError for
    a layout that can't be this board's.
    """
    app, bootloader = firmware.app, firmware.bootloader
    if app.chip != board.chip:
        raise HostError(
            f"{name} is for {app.chip}, the board {board.name} has {board.chip}: give a .bin for that, or its --board"
        )
    wanted = virtual.PROJECT if board.name == VIRTUAL_BOARD else STOCK
    if app.project != wanted:
        raise HostError(
            f"{name} is {app.project} {app.version}, not {wanted}: on {board.name} only that runs Mulligan; give a build of it"
        )
    verify_size(rows, board.flash)
    slots = app_slots(rows)
    if len(slots) < 2 or not any((row.type, row.subtype) == (DATA, OTADATA) for row in rows):
        raise FormatError("the layout has no ota_0, ota_1 and otadata: without them a firmware can't be rolled back")
    for slot in slots:
        if len(app.data) > slot.size:
            raise NoSlot(
                f"{name} has an app of {len(app.data)} bytes, {slot.label} of this layout {slot.size}: give {_others(board, app)}"
            )
    place = board.port.bootloader
    if place + len(bootloader.data) > partitions.TABLE_OFFSET:
        raise NoSlot(f"{name}: its bootloader at {place:#x} reaches into the partition table")
    if bootloader.flash_size != board.flash:
        bootloader = images.with_flash_size(bootloader, board.flash)
    otadata = next(row for row in rows if (row.type, row.subtype) == (DATA, OTADATA))
    table = partitions.encode(rows)
    return Plan(
        board,
        layout,
        rows,
        app,
        [
            Part("app", slots[0].offset, app.data),
            Part("otadata", otadata.offset, _ERASED * otadata.size),  # erased: the bootloader takes the first slot
            Part("bootloader", place, bootloader.data),
            Part("partition table", partitions.TABLE_OFFSET, table + _ERASED * (SECTOR - len(table))),
        ],
    )


def image(plan: Plan) -> bytes:
    """The flash from address 0 to the last byte that the plan writes, for a factory's programmer."""
    end = max(part.offset + len(part.data) for part in plan.parts)
    data = bytearray(_ERASED * end)
    for part in plan.parts:
        data[part.offset : part.offset + len(part.data)] = part.data
    return bytes(data)


def replaced(old: Sequence[Row], plan: Plan, flash_size: int) -> list[layouts.Change]:
    """What becomes of each partition of ``old``, the table that the board has; MicroPython's own vfs among them."""
    return layouts.diff(layouts.with_vfs(old, flash_size), plan.rows)


def precious(change: layouts.Change) -> bool:
    """Whether data of the user's may be lost with this: not a firmware, and not what the firmware makes for itself."""
    row = change.old
    return change.loses and row is not None and row.type != APP and (row.type, row.subtype) not in ((DATA, OTADATA), (DATA, PHY))


def to_erase(changes: Sequence[layouts.Change], rows: Sequence[Row]) -> list[tuple[int, int]]:
    """The regions of ``rows`` that hold something else's remains after the change: (offset, size), those that touch as one.

    MicroPython refuses to make a filesystem where there is neither one nor erased flash.
    """
    kept = {change.new for change in changes if not change.loses and change.change != "added"}
    found: list[tuple[int, int]] = []
    for row in sorted(rows, key=lambda row: row.offset):
        if row in kept or row.type == APP:
            continue
        if found and sum(found[-1]) == row.offset:
            found[-1] = (found[-1][0], found[-1][1] + row.size)
        else:
            found.append((row.offset, row.size))
    return found


def _others(board: Board, app: images.Image) -> str:
    """What to give in place of a firmware that does not fit."""
    fitting = []
    for path in sorted(resource("partitions").glob("*.csv")):
        try:
            slots = app_slots(read_csv(path, board.flash))
        except FormatError:
            continue
        if slots and all(len(app.data) <= slot.size for slot in slots):
            fitting.append(f"--layout {path.stem}")
    return " or ".join([*fitting, "a smaller build, such as MicroPython's OTA variant"])
