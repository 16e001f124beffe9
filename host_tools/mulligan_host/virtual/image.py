"""A whole flash for the virtual board, as a factory would program it."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from littlefs import LittleFS, LittleFSError

from mulligan.core import partitions
from mulligan.core.errors import FormatError, NoSlot
from mulligan_host.partitions import find, read_csv
from mulligan_host.virtual.flash import SECTOR, create

# MicroPython's littlefs (extmod/vfs_lfsx.c): blocks of the device's, read and program 32 bytes, a cache of four times that. A
# file that fits a cache is stored inline, and can then be opened only with a cache at least as large.
_PROGRAM = 32
_CACHE = 4 * _PROGRAM


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


def filesystem(size: int, files: Mapping[str, bytes]) -> bytes:
    """Return a littlefs image of ``size`` bytes with ``files``, as MicroPython's VfsLfs2 reads and writes it.

    Raises: NoSlot if they do not fit.
    """
    if size % SECTOR:
        raise FormatError(f"a littlefs has whole blocks of {SECTOR} bytes, not {size} bytes")
    fs = LittleFS(
        block_size=SECTOR,
        block_count=size // SECTOR,
        read_size=_PROGRAM,
        prog_size=_PROGRAM,
        cache_size=_CACHE,
        lookahead_size=_PROGRAM,
    )
    try:
        for name, data in files.items():
            parent = PurePosixPath(name).parent.as_posix()
            if parent != ".":
                fs.makedirs(parent, exist_ok=True)
            with fs.open(name, "wb") as f:
                f.write(data)
    except LittleFSError as e:
        raise NoSlot(f"the files do not fit a littlefs of {size} bytes: {name}: {e}") from None
    fs.unmount()
    return bytes(fs.context.buffer)
