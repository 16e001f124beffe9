"""NOR flash, in memory or in a file: erasing sets a 4 KiB sector to FF, programming only clears bits."""

import fcntl
import mmap
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from mulligan.core.errors import FlashError

SECTOR = 0x1000
SIZE_4MB = 4 * 1024 * 1024


class PowerCut(Exception):
    """The supply failed in the middle of an operation. Not an error: what a test asked for."""


@dataclass
class Counters:
    """What the flash has done since it was opened."""

    reads: int = 0
    bytes_read: int = 0
    programs: int = 0
    bytes_programmed: int = 0
    erases: int = 0
    sector_erases: dict[int, int] = field(default_factory=dict)
    """Sector number to its erases."""
    sector_programs: dict[int, int] = field(default_factory=dict)
    """Sector number to the programs that begin in it."""


class Nor:
    """NOR flash in ``content``, with its rules, its counters and a supply that can fail."""

    def __init__(self, content: bytearray | mmap.mmap) -> None:
        self.size = len(content)
        self.counters = Counters()
        self._map = content
        self._cut: tuple[int, float] | None = None

    def read(self, address: int, size: int) -> bytes:
        """Return ``size`` bytes. Raises: FlashError outside the flash."""
        self._bounds(address, size)
        self.counters.reads += 1
        self.counters.bytes_read += size
        return bytes(self._map[address : address + size])

    def program(self, address: int, data: bytes) -> None:
        """Clear the bits that are clear in ``data``, as one operation.

        Raises: FlashError outside the flash, or, with nothing programmed, where a bit would have to be set; PowerCut.
        """
        self._bounds(address, len(data))
        old = self._map[address : address + len(data)]
        if int.from_bytes(data, "little") & ~int.from_bytes(old, "little"):
            at = next(i for i, (new, was) in enumerate(zip(data, old, strict=True)) if new & ~was)
            raise FlashError(
                f"NOR rule: programming {data[at]:#04x} over {old[at]:#04x} at {address + at:#x} sets a bit; erase it first"
            )
        torn = self._torn(len(data))
        done = len(data) if torn is None else torn
        self._map[address : address + done] = data[:done]
        self.counters.programs += 1
        sector = address // SECTOR
        self.counters.sector_programs[sector] = self.counters.sector_programs.get(sector, 0) + 1
        self.counters.bytes_programmed += done
        if torn is not None:
            raise PowerCut(f"after {done} of {len(data)} bytes programmed at {address:#x}")

    def erase(self, address: int, size: int = SECTOR) -> None:
        """Set whole sectors to FF, one operation each. Raises: FlashError if not whole sectors of the flash; PowerCut."""
        self._bounds(address, size)
        if address % SECTOR or size % SECTOR:
            raise FlashError(f"erase of {size:#x} bytes at {address:#x}: only whole sectors of {SECTOR:#x} can be erased")
        for start in range(address, address + size, SECTOR):
            torn = self._torn(SECTOR)
            done = SECTOR if torn is None else torn
            self._map[start : start + done] = b"\xff" * done
            self.counters.erases += 1
            sector = start // SECTOR
            self.counters.sector_erases[sector] = self.counters.sector_erases.get(sector, 0) + 1
            if torn is not None:
                raise PowerCut(f"after {done} of {SECTOR} bytes erased at {start:#x}")

    def peek(self, address: int, size: int) -> bytes:
        """Return ``size`` bytes without counting it as a read: for looking in from outside."""
        self._bounds(address, size)
        return bytes(self._map[address : address + size])

    def poke(self, address: int, data: bytes) -> None:
        """Put ``data`` there, against all rules and uncounted: for planting damage and initial contents."""
        self._bounds(address, len(data))
        self._map[address : address + len(data)] = data

    def cut_at(self, operation: int, keep: float = 0.5) -> None:
        """Let the supply fail in the ``operation``-th program or erase from now (1: the next), which is torn: the first
        ``keep`` of its bytes are done, the rest are as they were, and PowerCut is raised. Once."""
        if operation < 1 or not 0.0 <= keep <= 1.0:
            raise ValueError("cut_at: operations count from 1, keep is 0.0 to 1.0")
        self._cut = (operation, keep)

    @property
    def cut_pending(self) -> bool:
        """Whether a power cut was asked for and has not come yet."""
        return self._cut is not None

    def _torn(self, size: int) -> int | None:
        """Count one operation; return how many of its ``size`` bytes are done if it is the one that is cut."""
        if self._cut is None:
            return None
        left, keep = self._cut
        if left > 1:
            self._cut = (left - 1, keep)
            return None
        self._cut = None
        return int(size * keep)

    def _bounds(self, address: int, size: int) -> None:
        if address < 0 or size < 0 or address + size > self.size:
            raise FlashError(f"{size:#x} bytes at {address:#x} are outside a flash of {self.size:#x}")


class NorFlash(Nor):
    """The flash in the file at ``path``, held by one process at a time. What is written is in the file at once.

    Raises: FlashError if the file is missing, in use, or not exactly ``size`` bytes.
    """

    def __init__(self, path: Path, size: int = SIZE_4MB) -> None:
        self.path = path
        try:
            self._file = path.open("r+b")
        except OSError as e:
            raise FlashError(f"{path}: {e.strerror}; create a flash file first") from e
        try:
            actual = os.fstat(self._file.fileno()).st_size
            if actual != size:
                raise FlashError(f"{path} has {actual} bytes, this board's flash {size}: give a flash file of that size")
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as e:
                raise FlashError(f"{path} is in use by another board: stop that one first") from e
            self._file_map = mmap.mmap(self._file.fileno(), size)
        except BaseException:
            self._file.close()
            raise
        super().__init__(self._file_map)

    def close(self) -> None:
        """Let go of the file."""
        self._file_map.close()
        self._file.close()


def create(path: Path, content: bytes) -> None:
    """Write a flash file whole, or not at all; one that was there is replaced."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as work:
        temporary = Path(work.name)
        try:
            work.write(content)
            work.flush()
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
