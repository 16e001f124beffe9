"""A board in download mode, through esptool's Python API: what chip and flash it has, and reading, erasing and writing that."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import md5
from typing import Any

import esptool
from esptool.cmds import detect_chip, detect_flash_size, reset_chip, run_stub, write_flash
from esptool.logger import TemplateLogger, log
from esptool.reset import ResetStrategy
from esptool.util import FatalError, flash_size_bytes
from serial import SerialException

from mulligan.core import partitions
from mulligan.core.errors import FormatError
from mulligan.core.partitions import Row
from mulligan_host import ports
from mulligan_host.boards import Board
from mulligan_host.errors import HostError
from mulligan_host.partitions import verify

Progress = Callable[[str, int, int], None]
"""What is being done, how far, of how much."""
_ROM_BAUD = 115200
_MODES = {"classic": "default-reset", "usb-jtag": "usb-reset", "on-open": "default-reset", "none": "no-reset"}
# What esptool says once of a port without DTR and RTS goes past every logger; what to do is said in the error that follows.
ResetStrategy.print_once.already_printed = True
_BY_HAND = "hold BOOT, press EN (or RESET), let go of BOOT, and try again; and check cable and port"


class Loader:
    """A connection to the ROM loader, with esptool's stub running; made by `connect`."""

    def __init__(self, esp: Any, port: str, board: Board, progress: Progress) -> None:
        self._esp = esp
        self.by_hand = board.port.reset == "none"
        """Whether somebody has to press its button to get it out of download mode."""
        self._port = port
        self._logger = _Logger(progress)
        self.chip = str(esp.CHIP_NAME).lower().replace("-", "")
        """As esptool's tables call it."""
        self.mac = ":".join(f"{byte:02x}" for byte in esp.read_mac())
        self.flash_size = int(flash_size_bytes(detect_flash_size(esp) or "") or 0)
        """Bytes; 0 where the flash says nothing that esptool knows."""

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes of flash. Raises: HostError."""
        with _explained(self._port):
            data: bytes = self._esp.read_flash(offset, size)
        return data

    def table(self) -> list[Row] | None:
        """The partition table that the board has; None where the flash is erased there.

        Raises: FormatError for anything else; HostError.
        """
        raw = self.read(partitions.TABLE_OFFSET, partitions.TABLE_SIZE)
        if not raw.strip(b"\xff"):
            return None
        try:
            rows: list[Row] = partitions.decode(raw, md5=False)
            verify(rows)
        except FormatError as e:
            raise FormatError(f"{self._port}: the board has no table that is understood ({e})") from None
        return rows

    def is_erased(self, offset: int, size: int) -> bool:
        """Whether the region holds nothing, by the MD5 that the board computes of it. Raises: HostError."""
        with _explained(self._port):
            digest: str = self._esp.flash_md5sum(offset, size)
        return digest == md5(b"\xff" * size, usedforsecurity=False).hexdigest()

    def erase(self, offset: int, size: int) -> None:
        """Erase whole sectors. Raises: HostError."""
        with _explained(self._port):
            self._esp.erase_region(offset, size)

    def write(self, what: str, offset: int, data: bytes) -> None:
        """Write ``data``, compressed, and compare its MD5 with the flash's. Raises: HostError."""
        self._logger.what = what
        with _explained(self._port), _quiet(self._logger):
            write_flash(self._esp, [(offset, data)])

    def reset(self) -> None:
        """Leave download mode: the board boots, unless that is done ``by_hand``."""
        if self.by_hand:
            return
        with _explained(self._port), _quiet(self._logger):
            reset_chip(self._esp, "hard-reset")


@contextmanager
def connect(port: str, board: Board, progress: Progress, baud: int | None = None) -> Iterator[Loader]:
    """Reset the board at ``port`` into download mode, and run the stub there.

    Raises: HostError if there is none, or another chip than ``board`` has.
    """
    esp = None
    try:
        with _explained(port), _quiet(_Logger(progress)):
            esp = detect_chip(port, _ROM_BAUD, _MODES[board.port.reset])
            chip = str(esp.CHIP_NAME).lower().replace("-", "")
            if chip != board.chip:
                if board.port.reset != "none":
                    reset_chip(esp, "hard-reset")
                raise HostError(f"{port} has {chip}, the board {board.name} {board.chip}: choose the right --board")
            esp = run_stub(esp)
            rate = baud or board.port.baud
            if rate != _ROM_BAUD:
                esp.change_baud(rate)
            loader = Loader(esp, port, board, progress)
        yield loader
    finally:
        if esp is not None:
            esp._port.close()


class _Logger(TemplateLogger):  # type: ignore[misc]
    """Takes esptool's progress, and drops what else it has to say: errors come as exceptions."""

    def __init__(self, progress: Progress) -> None:
        self.what = ""
        self._progress = progress

    def print(self, *args: object, **kwargs: object) -> None:
        pass

    def note(self, message: str) -> None:
        pass

    def warning(self, message: str) -> None:
        pass

    def error(self, message: str) -> None:
        pass

    def stage(self, finish: bool = False) -> None:
        pass

    def progress_bar(self, cur_iter: int, total_iters: int, prefix: str = "", suffix: str = "", bar_length: int = 30) -> None:
        self._progress(self.what, cur_iter, total_iters)

    def set_verbosity(self, verbosity: str) -> None:
        pass


@contextmanager
def _quiet(logger: _Logger) -> Iterator[None]:
    """esptool reports to ``logger`` alone."""
    before = esptool.logger.EspLog.instance
    log.set_logger(logger)
    try:
        yield
    finally:
        esptool.logger.EspLog.instance = before


@contextmanager
def _explained(port: str) -> Iterator[None]:
    """esptool's and pyserial's exceptions as ours, in one line."""
    try:
        yield
    except (SerialException, OSError, ValueError) as e:  # ValueError: a URL that is none
        raise ports.explained(port, e) from e
    except FatalError as e:
        said = str(e)
        if "Could not open" in said:
            raise ports.explained(port, e) from e
        if "Failed to connect" in said or "No serial data received" in said or "Timed out" in said or "No more data" in said:
            raise HostError(f"{port}: no answer from a chip in download mode: {_BY_HAND}") from e
        if "stopped" in said or "Invalid head" in said or "Invalid SLIP" in said:
            raise HostError(f"{port}: the line failed: check the cable, plug the board in again, and try once more") from e
        raise HostError(f"{port}: {' '.join(said.split())}") from e
