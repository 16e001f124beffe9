"""A whole flash for the virtual board, as a factory would program it."""

from collections.abc import Mapping
from pathlib import Path

from mulligan.core import partitions
from mulligan.core.errors import NoSlot
from mulligan_host.filesystem import filesystem
from mulligan_host.partitions import find, read_csv
from mulligan_host.virtual.flash import create


def build_flash(
    path: Path,
    size: int,
    csv: Path,
    firmware: bytes,
    files: Mapping[str, bytes],
    regions: Mapping[str, bytes] | None = None,
) -> None:
    """Write a fresh flash of ``size`` bytes to ``path``: the table of ``csv``, the app image ``firmware`` in ota_0, a littlefs
    with ``files`` (POSIX path to content) in ``vfs``, and each region at the start of the partition of its label. The rest is
    erased, the bootloader's place too: the virtual board needs none.

    Raises: FormatError for the table or an unknown label, NoSlot for what does not fit. The file is written whole or not at all.
    """
    rows = read_csv(csv, size)
    content = bytearray(b"\xff" * size)
    content[partitions.TABLE_OFFSET : partitions.TABLE_OFFSET + partitions.TABLE_SIZE] = partitions.encode(rows)
    placed = {"ota_0": firmware, "vfs": filesystem(find(rows, "vfs").size, files), **(regions or {})}
    for label, data in placed.items():
        row = find(rows, label)
        if len(data) > row.size:
            raise NoSlot(f"{label} holds {row.size} bytes, not {len(data)}")
        content[row.offset : row.offset + len(data)] = data
    create(path, bytes(content))
