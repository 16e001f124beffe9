"""littlefs images, as MicroPython's VfsLfs2 reads them: what ``vfs`` begins with, and the artifacts of the app plane."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from littlefs import LittleFS, LittleFSError

from mulligan.core.errors import FormatError, NoSlot

SECTOR = 4096
# MicroPython's littlefs (extmod/vfs_lfsx.c): blocks of the device's, read and program 32 bytes, a cache of four times that. A
# file that fits a cache is stored inline, and can then be opened only with a cache at least as large.
_PROGRAM = 32
_CACHE = 4 * _PROGRAM
_LEAST_BLOCKS = 4
_MOST_BLOCKS = 4096


def filesystem(size: int, files: Mapping[str, bytes]) -> bytes:
    """Return a littlefs image of ``size`` bytes with ``files`` (POSIX path to content), byte for byte the same each time.

    Raises: NoSlot if they do not fit.
    """
    if size % SECTOR:
        raise FormatError(f"a littlefs has whole blocks of {SECTOR} bytes, not {size} bytes")
    fs = _filesystem(size // SECTOR)
    name = ""
    try:
        for name, data in sorted(files.items()):
            parent = PurePosixPath(name).parent.as_posix()
            if parent != ".":
                fs.makedirs(parent, exist_ok=True)
            with fs.open(name, "wb") as f:
                f.write(data)
    except LittleFSError as e:
        raise NoSlot(f"the files do not fit a littlefs of {size} bytes: {name}: {e}") from None
    fs.unmount()
    return bytes(fs.context.buffer)


def smallest(files: Mapping[str, bytes]) -> bytes:
    """Return the littlefs image of the fewest blocks that holds ``files``. Raises: NoSlot."""
    blocks = max(_LEAST_BLOCKS, sum(len(data) for data in files.values()) // SECTOR)
    while True:
        try:
            return filesystem(blocks * SECTOR, files)
        except NoSlot:
            if blocks >= _MOST_BLOCKS:
                raise
            blocks += 1


def contents(image: bytes) -> dict[str, bytes]:
    """Return the files of a littlefs image. Raises: FormatError."""
    if not image or len(image) % SECTOR:
        raise FormatError(f"a littlefs has whole blocks of {SECTOR} bytes, not {len(image)} bytes")
    fs = _filesystem(len(image) // SECTOR, mount=False)
    fs.context.buffer = bytearray(image)
    found = {}
    try:
        fs.mount()
        for root, _, names in fs.walk("/"):
            for name in names:
                path = f"{root.rstrip('/')}/{name}"
                with fs.open(path, "rb") as f:
                    found[path[1:]] = f.read()
    except LittleFSError as e:
        raise FormatError(f"not a littlefs image: {e}") from None
    return found


def _filesystem(blocks: int, mount: bool = True) -> LittleFS:
    return LittleFS(
        block_size=SECTOR,
        block_count=blocks,
        read_size=_PROGRAM,
        prog_size=_PROGRAM,
        cache_size=_CACHE,
        lookahead_size=_PROGRAM,
        mount=mount,
    )
