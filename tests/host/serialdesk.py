"""A virtual board with a serial line, and the tools of others on it, as subprocesses."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from littlefs import LittleFS

from mulligan_host.build import build_package
from mulligan_host.micropython import MicroPython
from mulligan_host.resources import resource
from mulligan_host.virtual import firmware, image
from mulligan_host.virtual.board import VirtualBoard
from mulligan_host.virtual.flash import SECTOR, SIZE_4MB, create
from mulligan_host.virtual.serial.faults import NONE, Faults
from mulligan_host.virtual.serial.line import Line
from mulligan_host.virtual.serial.pty import Pty
from mulligan_host.virtual.serial.registers import PROFILES
from mulligan_host.virtual.serial.rfc2217 import Server

LAYOUT = resource("partitions/virtual-4mb.csv")
QUIET = [  # pyserial's RFC 2217 has old-fashioned threads, and leaves the socket of a dead line to the collector
    pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
READY = r'Type "help\(\)"'
TICKING = b"import time\nprint('main begins')\nwhile True:\n    time.sleep_ms(10)\n"
TOOL_SECONDS = 120  # for a tool that hangs; far above what any takes


@dataclass(frozen=True)
class Tried:
    """How a tool ended, and what it said, terminal colours left out."""

    code: int
    said: str


class Desk:
    """A board, off at first. ``files`` are in its vfs, under ``layout``; None: its flash is erased. ``package``: what its
    firmware has frozen. A context manager."""

    def __init__(
        self,
        work: Path,
        mp: MicroPython,
        files: Mapping[str, bytes] | None = None,
        *,
        rfc2217: bool = False,
        chip: str = "esp32",
        faults: Faults = NONE,
        wall_watchdog: float = 1.0,
        layout: Path = LAYOUT,
        package: Callable[[MicroPython], Path] = build_package,
    ) -> None:
        self.work = work
        self.flash = work / "flash.bin"
        self.app = app(mp)
        if files is None:
            create(self.flash, b"\xff" * SIZE_4MB)
        else:
            image.build_flash(self.flash, SIZE_4MB, layout, self.app, files)
        self.line = Line(usb=PROFILES[chip].usb)
        self._stack = ExitStack()
        self._stack.callback(self.line.close)
        self.board = self._stack.enter_context(
            VirtualBoard(self.flash, [mp], package, line=self.line, chip=chip, wall_watchdog=wall_watchdog)
        )
        self.server: Server | None = None
        if rfc2217:
            self.server = self._stack.enter_context(Server(self.line, faults=faults))
            self.port = self.server.url
        else:
            self.port = self._stack.enter_context(Pty(self.line, faults=faults)).path

    def files(self) -> dict[str, bytes]:
        """Return the files on the littlefs in the board's ``vfs``, as another implementation reads them."""
        content = self.board.partition("vfs")
        fs = LittleFS(block_size=SECTOR, block_count=len(content) // SECTOR, mount=False)
        fs.context.buffer = bytearray(content)
        fs.mount()
        found = {}
        for directory, _, names in fs.walk("/"):
            for name in names:
                path = f"{directory.rstrip('/')}/{name}"
                with fs.open(path, "rb") as f:
                    found[path] = f.read()
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def reset(self, *, download: bool) -> None:
        """Press EN, with or without GPIO0 held down: for a pty, which has no lines for it."""
        self.line.control(dtr=download, rts=False)  # sets a USB port's flag
        self.line.control(dtr=False, rts=True)
        self.line.control(dtr=download, rts=False)
        self.line.control(dtr=False)

    def write(self, name: str, data: bytes) -> Path:
        """Return the path of a new file with ``data``."""
        path = self.work / name
        path.write_bytes(data)
        return path

    def peek(self, address: int, size: int) -> bytes:
        """Return what is in the flash there."""
        return self.board.flash.peek(address, size)

    def esptool(self, *arguments: object, code: int = 0, seconds: float = TOOL_SECONDS) -> str:
        """Run esptool as a user does, on RFC 2217 with its own resets, on a pty in a download mode that was entered by hand."""
        return checked(self.attempt("esptool", *arguments, seconds=seconds), code)

    def mpremote(self, *arguments: object, code: int = 0, seconds: float = TOOL_SECONDS) -> str:
        """Run mpremote as a user does."""
        return checked(self.attempt("mpremote", *arguments, seconds=seconds), code)

    def attempt(self, name: str, *arguments: object, seconds: float = TOOL_SECONDS) -> Tried:
        """Run one of them on this board, to whatever end."""
        by_hand = [] if self.server else ["--before", "no-reset", "--after", "no-reset"]
        port = ["--port", self.port, *by_hand] if name == "esptool" else ["connect", self.port]
        return attempt(name, [*port, *arguments], seconds, self.work)


MakeDesk = Callable[..., Desk]
"""The fixture `make_desk`."""


def app(mp: MicroPython, version: str = "") -> bytes:
    """Return the app image of a virtual firmware that is ``mp``."""
    return firmware.build(firmware.Firmware(version or ".".join(map(str, mp.version)), mp.mpy))


def attempt(name: str, arguments: Sequence[object], seconds: float, work: Path | None = None) -> Tried:
    """Run the command ``name`` of this Python's environment, to whatever end."""
    done = subprocess.run(
        [Path(sys.executable).with_name(name), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=work,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "300"},
        timeout=seconds,
    )
    return Tried(done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout.decode(errors="replace")))


def checked(tried: Tried, code: int) -> str:
    """Return what a tool said that must have ended with ``code``."""
    assert tried.code == code, tried.said
    return tried.said
