"""littlefs images, as MicroPython's VfsLfs2 reads them: what ``vfs`` begins with, and the artifacts of the app plane."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from littlefs import LittleFS, LittleFSError

from mulligan.core.errors import FormatError, NoSlot
from mulligan.core.layout import APP_BLOCK

SECTOR = 4096
BLOCK = APP_BLOCK
"""Of an app image, which nothing is ever written to: so that a small file, of which code has many, takes little."""
# MicroPython's littlefs (extmod/vfs_lfsx.c): blocks of the device's, read and program 32 bytes, a cache of four times that. A
# file that fits a cache is stored inline, and can then be opened only with a cache at least as large.
_PROGRAM = 32
_CACHE = 4 * _PROGRAM
_LEAST_BLOCKS = 4
_MOST_BLOCKS = 1 << 15
# Of the superblock, the first thing in an image: its block size (littlefs SPEC.md, "superblock").
_BLOCK_SIZE_AT = 24


def filesystem(size: int, files: Mapping[str, bytes], block: int = SECTOR) -> bytes:
    """Return a littlefs image of ``size`` bytes with ``files`` (POSIX path to content), byte for byte the same each time.

    Raises: NoSlot if they do not fit.
    """
    if size % block:
        raise FormatError(f"a littlefs has whole blocks of {block} bytes, not {size} bytes")
    fs = _filesystem(block, size // block)
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
    """Return the littlefs image of the fewest blocks of BLOCK bytes that holds ``files``. Raises: NoSlot."""
    low, high = _LEAST_BLOCKS, _MOST_BLOCKS
    least = max(low, sum(len(data) for data in files.values()) // BLOCK)
    found = None
    step = max(8, least // 8)
    # Up from what the content alone takes, in strides; then the least in between.
    while found is None:
        try:
            found = filesystem(least * BLOCK, files, BLOCK)
            high = least
        except NoSlot:
            if least >= _MOST_BLOCKS:
                raise
            low, least = least + 1, min(least + step, _MOST_BLOCKS)
    while low < high:
        blocks = (low + high) // 2
        try:
            found = filesystem(blocks * BLOCK, files, BLOCK)
            high = blocks
        except NoSlot:
            low = blocks + 1
    return found


def contents(image: bytes) -> dict[str, bytes]:
    """Return the files of a littlefs image, of whatever block size. Raises: FormatError."""
    block = int.from_bytes(image[_BLOCK_SIZE_AT : _BLOCK_SIZE_AT + 4], "little")
    if block not in (BLOCK, SECTOR) or len(image) % block:
        raise FormatError(f"no littlefs of blocks of {BLOCK} or {SECTOR} bytes, {len(image)} bytes in all")
    fs = _filesystem(block, len(image) // block, mount=False)
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


def _filesystem(block: int, blocks: int, mount: bool = True) -> LittleFS:
    return LittleFS(
        block_size=block,
        block_count=blocks,
        read_size=_PROGRAM,
        prog_size=_PROGRAM,
        cache_size=_CACHE,
        lookahead_size=_PROGRAM,
        mount=mount,
    )
