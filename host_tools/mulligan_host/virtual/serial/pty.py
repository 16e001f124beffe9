"""A pseudo-terminal, for tools that want a device file. It has no DTR and RTS, so nothing resets the chip over it."""

import os
import select
import threading
import tty
from contextlib import suppress
from pathlib import Path

from mulligan_host.errors import HostError
from mulligan_host.virtual.serial.faults import NONE, Faults
from mulligan_host.virtual.serial.line import Line
from mulligan_host.virtual.serial.sender import Sender

_READ = 4096
_WRITE = 256  # what select promises to take without blocking
_POLL_SECONDS = 0.05


class Pty:
    """Serves ``line`` on a new pseudo-terminal; ``link`` is a path that will point to it. A context manager.

    It is connected from the start, and understands every baud rate.
    Raises: HostError if ``link`` is there already, or another host is connected.
    """

    def __init__(self, line: Line, link: Path | None = None, faults: Faults = NONE) -> None:
        self._line = line
        self._link = link
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        """What to give to ``--port``."""
        try:
            if link is not None:
                link.symlink_to(self.path)
        except OSError as e:
            self._close()
            raise HostError(f"{link}: {e.strerror}; give a path that is not there yet") from e
        # The slave stays open here: a master whose slave nobody has open can't be read.
        self._sender = Sender(line, faults, self._send, lambda: None)
        if not line.connect(self._sender.from_chip):
            self._sender.close()
            self._close()
            raise HostError("the serial line is connected already: one host at a time")
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pty", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Pty":
        return self

    def __exit__(self, *exception: object) -> None:
        self._ending.set()
        self._thread.join()
        self._line.disconnect()
        self._sender.close()
        self._close()
        if self._link is not None:
            with suppress(OSError):
                self._link.unlink()

    def _close(self) -> None:
        os.close(self._master)
        os.close(self._slave)

    def _send(self, data: bytes, from_chip: bool) -> None:
        while data:
            _, ready, _ = select.select([], [self._master], [], _POLL_SECONDS)
            if self._ending.is_set():
                raise BrokenPipeError
            if ready:
                data = data[os.write(self._master, data[:_WRITE]) :]

    def _run(self) -> None:
        while not self._ending.is_set():
            ready, _, _ = select.select([self._master], [], [], _POLL_SECONDS)
            if ready:
                self._sender.to_chip(os.read(self._master, _READ))
