"""A board's serial console while no tool has its port: read by a thread, kept as lines and in a log file."""

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import serial

from mulligan_host import ports
from mulligan_host.errors import HostError

BAUD = 115200
_READ_SECONDS = 0.05
_RETRY_SECONDS = 0.2
_BACK_SECONDS = 5.0
_RESET_SECONDS = 0.1
_TAIL = 25


class Console:
    """The console at ``port``; ``open`` begins to listen."""

    def __init__(self, port: str) -> None:
        self.port = port
        self.lines: list[str] = []
        """All lines since the board was first listened to."""
        self._log: Path | None = None
        self._seen = 0
        self._partial = b""
        self._changed = threading.Condition()
        self._serial: serial.SerialBase | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()

    def log_to(self, path: Path | None) -> None:
        """Write what comes to the file ``path`` from now on. What was not waited for is past."""
        with self._changed:
            self._log = path
            self._seen = len(self.lines)

    def open(self) -> None:
        """Open the port and listen, unless that is so already. Raises: HostError if it can't be opened."""
        if self._serial is None:
            self._serial = self._opened()
            self._start()

    def close(self) -> None:
        """Let go of the port, in the order that resets no board: RTS first."""
        if self._serial is None:
            return
        self._stop()
        self._flush()
        with contextlib.suppress(OSError):
            self._serial.rts = False
            self._serial.dtr = False
        with contextlib.suppress(OSError):
            self._serial.close()
        self._serial = None

    @contextmanager
    def borrowed(self) -> Iterator[serial.SerialBase]:
        """Lend the port to someone who reads it in place of the console.

        One that has gone, as with a board's power, is given a moment to be back. Raises: HostError if it is not.
        """
        self.open()
        self._stop()
        try:
            self._revive()
            self._flush()
            yield self._serial
        finally:
            assert self._serial is not None
            self._serial.timeout = _READ_SECONDS
            self._start()

    @contextmanager
    def free(self) -> Iterator[str]:
        """Leave the port to a tool meanwhile."""
        self.close()
        try:
            yield self.port
        finally:
            self.open()

    def reset(self) -> None:
        """Pulse EN, by RTS; what was said before is past. Raises: HostError for a port that has none, or is gone."""
        try:
            self._pulse()
        except OSError:  # pyserial: it had gone, and was not known to yet
            try:
                self._pulse()
            except OSError as e:
                raise ports.explained(self.port, e) from e

    def say(self, line: str) -> None:
        """Add a line of the host's to the log."""
        self._add(f"host: {line}")

    def wait(self, pattern: str, timeout: float) -> str:
        """Return the next line that ``pattern`` is found in, after the last that was returned.

        Raises: HostError, with the end of the console, if there is none within ``timeout`` seconds.
        """
        self.open()
        deadline = time.monotonic() + timeout
        with self._changed:
            at = self._seen
            while True:
                while at < len(self.lines):
                    at += 1
                    if re.search(pattern, self.lines[at - 1]):
                        self._seen = at
                        return self.lines[at - 1]
                left = deadline - time.monotonic()
                if left <= 0:
                    tail = "".join(f"\n  | {line}" for line in self.lines[-_TAIL:])
                    raise HostError(
                        f"{self.port}: no line matched {pattern!r} within {timeout:g} s; the console ends with:{tail}"
                    )
                self._changed.wait(left)

    def _pulse(self) -> None:
        with self.borrowed() as port:
            port.dtr = False
            port.rts = True
            time.sleep(_RESET_SECONDS)
            self._read()
            self._flush()
            with self._changed:
                self._seen = len(self.lines)
            port.rts = False

    def _start(self) -> None:
        self._ending.clear()
        self._thread = threading.Thread(target=self._listen, name="console", daemon=True)
        self._thread.start()

    def _stop(self) -> None:
        if self._thread is not None:
            self._ending.set()
            self._thread.join()
            self._thread = None

    def _opened(self) -> serial.SerialBase:
        try:
            return serial.serial_for_url(self.port, BAUD, timeout=_READ_SECONDS)
        except (OSError, ValueError) as e:
            raise ports.explained(self.port, e) from e

    def _revive(self) -> None:
        assert self._serial is not None
        deadline = time.monotonic() + _BACK_SECONDS
        while True:
            try:
                self._serial.timeout = 0
                for _ in range(2):  # the first read of an RFC 2217 port that has gone returns nothing
                    self._read()
                return
            except OSError as e:
                if time.monotonic() > deadline:
                    raise ports.explained(self.port, e) from e
                self._reopen()
                time.sleep(_READ_SECONDS)

    def _reopen(self) -> None:
        assert self._serial is not None
        with contextlib.suppress(OSError):
            self._serial.close()
        with contextlib.suppress(HostError):
            self._serial = self._opened()

    def _listen(self) -> None:
        while not self._ending.is_set():
            try:
                self._read()
            except OSError:
                # Gone, as a USB port is while its chip resets: it comes back under the same name.
                self._ending.wait(_RETRY_SECONDS)
                self._reopen()

    def _read(self) -> None:
        assert self._serial is not None
        *whole, self._partial = (self._partial + self._serial.read(max(1, self._serial.in_waiting))).split(b"\n")
        for line in whole:
            self._add(line.decode(errors="replace").rstrip("\r"))

    def _flush(self) -> None:
        if self._partial:
            self._add(self._partial.decode(errors="replace"))
            self._partial = b""

    def _add(self, line: str) -> None:
        with self._changed:
            self.lines.append(line)
            if self._log is not None:
                with self._log.open("a", encoding="utf-8") as f:
                    f.write(line + "\n")
            self._changed.notify_all()
