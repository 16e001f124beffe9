"""The chip's end of the serial line, as the board's thread uses it: waiting for reset, for a download, for characters."""

import select
from collections.abc import Callable
from typing import NoReturn

from mulligan_host.virtual.flash import NorFlash
from mulligan_host.virtual.serial import download
from mulligan_host.virtual.serial.line import RUN_BAUD, Line
from mulligan_host.virtual.serial.registers import PROFILES


class Stopped(Exception):
    """The board has nothing more to run; the message says why."""


class LineReset(Exception):
    """The host has pulled EN low."""


class Uart:
    """One power-on of a chip called ``chip``; ``off`` is a descriptor that is readable when the power goes."""

    def __init__(self, line: Line, off: int, chip: str, flash: NorFlash, mac: bytes, say: Callable[[str], None]) -> None:
        self.line = line
        self._off = off
        self._profile = PROFILES[chip]
        self._flash = flash
        self._mac = mac
        self._say = say

    def release(self) -> None:
        """Wait until EN lets the chip go; serve a download first if GPIO0 asks for it.

        Raises: Stopped, LineReset, PowerCut.
        """
        self.line.take()  # what came while the chip was off or in reset
        while self.line.held:
            self._select()
            self.line.take()
        if self.line.download:
            self._say("power on")
            if not download.serve(self.line, self._off, self._profile, self._flash, self._mac, self._say):
                self._select(0)
                raise LineReset

    def boot(self, cause: int) -> None:
        """Say what the ROM says before it loads an app."""
        self.line.chip_baud = RUN_BAUD
        self.line.send(download.RUNNING.format(cause=cause).encode())

    def received(self) -> bytes:
        """Return what came from the host since. Raises: LineReset."""
        data, reset = self.line.take()
        if reset:
            raise LineReset
        return data

    def stuck(self, why: str) -> NoReturn:
        """Do nothing any more, which only a reset ends. Raises: LineReset, Stopped."""
        self._say(why)
        self.line.send(f"{why}\r\n".encode())
        while True:
            self._select()
            self.received()

    def _select(self, timeout: float | None = None) -> None:
        if self._off in select.select([self.line.fileno(), self._off], [], [], timeout)[0]:
            raise Stopped("power off")
