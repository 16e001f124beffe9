"""A whole flash for the virtual board, as a factory would program it."""

from collections.abc import Mapping
from pathlib import Path

from mulligan.core import partitions
from mulligan.core.errors import NoSlot
from mulligan_host import boards
from mulligan_host.filesystem import filesystem
from mulligan_host.micropython import MicroPython
from mulligan_host.partitions import find, read_csv
from mulligan_host.resources import resource
from mulligan_host.virtual import firmware
from mulligan_host.virtual.flash import SIZE_4MB, create

_LAYOUT = "partitions/virtual-4mb.csv"
_APP_OFFSET = 0x10000


def build_flash(
    path: Path,
    size: int,
    csv: Path,
    app: bytes,
    files: Mapping[str, bytes],
    regions: Mapping[str, bytes] | None = None,
) -> None:
    """Write a fresh flash of ``size`` bytes to ``path``: the table of ``csv``, the app image ``app`` in ota_0, a littlefs
    with ``files`` (POSIX path to content) in ``vfs``, and each region at the start of the partition of its label. The rest is
    erased, the bootloader's place too: the virtual board needs none.

    Raises: FormatError for the table or an unknown label, NoSlot for what does not fit. The file is written whole or not at all.
    """
    rows = read_csv(csv, size)
    content = bytearray(b"\xff" * size)
    content[partitions.TABLE_OFFSET : partitions.TABLE_OFFSET + partitions.TABLE_SIZE] = partitions.encode(rows)
    placed = {"ota_0": app, "vfs": filesystem(find(rows, "vfs").size, files), **(regions or {})}
    for label, data in placed.items():
        row = find(rows, label)
        if len(data) > row.size:
            raise NoSlot(f"{label} holds {row.size} bytes, not {len(data)}")
        content[row.offset : row.offset + len(data)] = data
    create(path, bytes(content))


def stock(mp: MicroPython) -> bytes:
    """Return what micropython.org would offer for the virtual board that is ``mp``: bootloader, table and app, for 0x1000."""
    start = boards.load("virtual").port.bootloader
    rows = read_csv(resource(_LAYOUT), SIZE_4MB)
    data = firmware.bootloader().ljust(partitions.TABLE_OFFSET - start, b"\xff") + partitions.encode(rows)
    app = firmware.build(firmware.Firmware(".".join(map(str, mp.version)), mp.mpy))
    return bytes(data.ljust(_APP_OFFSET - start, b"\xff") + app)
