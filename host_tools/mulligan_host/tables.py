"""Where a partition table is to be had from: a CSV, the binary table, an image for flashing, a dump of the whole flash."""

from dataclasses import dataclass
from pathlib import Path

from mulligan.core import partitions
from mulligan.core.errors import FormatError
from mulligan.core.partitions import Row
from mulligan_host import files
from mulligan_host.partitions import DEFAULT, Place, parse_csv, verify
from mulligan_host.resources import resource

MAGIC = b"\xaa\x50"
_APP_MAGIC = 0xE9
# A combined image leaves out what lies before the bootloader: nothing on S3, C3 and C6, a sector on ESP32 and S2, two on C5, P4.
_LEFT_OUT = (0x0000, 0x1000, 0x2000)


@dataclass(frozen=True)
class Source:
    """A table, and what it was found in."""

    name: str
    kind: str
    rows: list[Row]
    flash_size: int | None = None
    """Bytes of the whole flash, where the source says so."""


def read(name: str, place: Place = DEFAULT) -> Source:
    """Find the table in the file called ``name``, or in the layout of that name in partitions/.

    Raises: FormatError if there is none, or one that ESP-IDF's generator would not have made; OSError naming the file.
    """
    path = Path(name)
    if not path.exists() and (layout := resource("partitions") / f"{path.name}.csv").exists() and path.name == name:
        path = layout
    return parse(files.read(path), name, place)


def parse(data: bytes, name: str, place: Place = DEFAULT) -> Source:
    """As ``read``, for the bytes of a file called ``name``."""
    if data[:2] == MAGIC:
        return Source(name, "partition table", _decoded(data, name, place))
    for before in _LEFT_OUT:
        at = place.table - before
        if data[at : at + 2] == MAGIC:
            rows = _decoded(data[at:], name, place)
            dump = before == 0 and len(data) & (len(data) - 1) == 0 and len(data) >= max(r.offset + r.size for r in rows)
            return Source(name, "flash dump" if dump else "image", rows, len(data) if dump else None)
    if data[:1] == bytes([_APP_MAGIC]):
        raise FormatError(f"{name}: an app or a bootloader alone, without a partition table; give the combined image")
    return Source(name, "CSV", parse_csv(data, name, place=place))


def _decoded(data: bytes, name: str, place: Place) -> list[Row]:
    try:
        rows: list[Row] = partitions.decode(data, md5=False)
        verify(rows, place)
    except FormatError as e:
        raise FormatError(f"{name}: {e}") from None
    return rows
