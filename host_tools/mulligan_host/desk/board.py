"""What a board on a cable is and holds, seen over its REPL."""

import json
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field

from mulligan.core import events, layout
from mulligan.core.errors import FormatError
from mulligan.core.journal import Journal
from mulligan.core.partitions import Row
from mulligan_host.desk.link import Link
from mulligan_host.errors import HostError
from mulligan_host.micropython import OLDEST, architecture

CONFIG = "/mulligan.json"
_OLDEST_RISCV = (1, 24)  # the first whose native loader knows it
_MPY_VERSION = 6


@dataclass(frozen=True)
class Seen:
    """One look at a board."""

    version: tuple[int, ...]
    """Of MicroPython."""
    mpy: int
    machine: str
    id: str
    cause: int
    heap: int
    """Bytes that are free."""
    block: int
    blocks: int
    free: int
    """Blocks of vfs, of ``block`` bytes each."""
    running: str | None
    """The app slot."""
    partitions: list[Row]
    files: dict[str, str]
    """SHA-256, in hexadecimal."""
    config: str | None
    """mulligan.json."""
    mulligan: str | None
    """Where the module came from that is in memory; None where none is."""
    path: list[str] = field(default_factory=list)

    @property
    def arch(self) -> str | None:
        """What mpy-cross calls its native architecture."""
        return architecture(self.mpy)

    def partition(self, subtype: int) -> list[Row]:
        """The partitions of ours of that subtype."""
        return [row for row in self.partitions if (row.type, row.subtype) == (layout.TYPE, subtype)]


def look(link: Link, paths: Sequence[str] = (), directories: Sequence[str] = ()) -> Seen:
    """Look at the board; hash the files at ``paths``, and all below ``directories``. Raises: HostError."""
    lines, answer = link.run_lines("look", list(paths), list(directories), timeout=60.0)
    files = {path: digest for digest, _, path in (line.partition(" ") for line in lines)}
    answer["version"] = tuple(answer["version"])
    answer["partitions"] = [Row(*facts) for facts in answer["partitions"]]
    return Seen(files=files, **answer)


def require(seen: Seen, port: str) -> None:
    """Raise HostError unless Mulligan can run there."""
    oldest = _OLDEST_RISCV if seen.arch == "rv32imc" else OLDEST
    if seen.version[:2] < oldest:
        has, needs = ".".join(map(str, seen.version)), ".".join(map(str, oldest))
        raise HostError(f"{port}: MicroPython {has}, Mulligan needs {needs}: flash a newer one with mulligan board flash")
    if seen.mpy & 0xFF != _MPY_VERSION:
        raise HostError(
            f"{port}: this MicroPython loads .mpy files of version {seen.mpy & 0xFF}, not {_MPY_VERSION}: flash a stock one"
        )
    for subtype, word in ((layout.JOURNAL, "journal"), (layout.KEYS, "keys")):
        if len(seen.partition(subtype)) != 1:
            raise HostError(
                f"{port}: its partition table has no {word}: give it a layout of Mulligan's with mulligan board flash"
            )


def journal(link: Link) -> Journal | None:
    """The board's journal; None where it has no partition for one. Raises: HostError."""
    content = dump(link, layout.JOURNAL)
    return Journal(_Region(content)) if content is not None else None


def event_log(link: Link) -> list[events.Event] | None:
    """The board's event log, oldest first; None where it has no partition for one. Raises: HostError."""
    content = dump(link, layout.EVENTS)
    return list(events.read(_Region(content))) if content is not None else None


def dump(link: Link, subtype: int, size: int = 1 << 16) -> bytes | None:
    """The first ``size`` bytes of the one partition of ours of that subtype. Raises: HostError."""
    lines, found = link.run_lines("dump", subtype, size)
    return b"".join(b64decode(line) for line in lines) if found else None


def config_of(seen: Seen) -> dict[str, object]:
    """What mulligan.json says; empty where there is none. Raises: FormatError."""
    try:
        found = json.loads(seen.config or "{}")
    except ValueError:
        raise FormatError("mulligan.json on the board is not JSON: install it anew") from None
    return found if isinstance(found, dict) else {}


class _Region:
    """A partition's content as `Journal` and `events.read` read it."""

    encrypted = False

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def readinto(self, offset: int, buf: bytearray) -> None:
        buf[:] = self._content[offset : offset + len(buf)]
