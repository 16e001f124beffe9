"""The console of a virtual board: the lines its programs printed, which tests wait for."""

import itertools
import re
import threading
import time
from collections.abc import Callable

from mulligan_host.errors import HostError

_TAIL = 25
_LOOKED_AT = 20000  # lines, for those of the tail


class BoardError(HostError):
    """The virtual board did not do what was asked or expected of it; the console's tail says more."""

    code = 101


class Console:
    """All lines so far, in order; fed by the board's thread and read by any other."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self.lines: list[str] = []
        self._on_line = on_line
        self._partial = b""
        self._seen = 0
        self._changed = threading.Condition()
        self._closed: str | None = "it was never powered on"

    def open(self) -> None:
        """More lines can come."""
        with self._changed:
            self._closed = None

    def close(self, why: str) -> None:
        """No line will come until the next ``open``."""
        with self._changed:
            self._closed = why
            self._changed.notify_all()

    def feed(self, data: bytes) -> None:
        """Take what a program wrote."""
        *whole, self._partial = (self._partial + data).split(b"\n")
        for line in whole:
            self.add(line.decode(errors="replace").rstrip("\r"))

    def end(self) -> None:
        """The program has ended: what it left unfinished is a line."""
        if self._partial:
            self.feed(b"\n")

    def add(self, line: str) -> None:
        """Append one line."""
        if self._on_line is not None:
            self._on_line(line)  # before anyone who waits for the line goes on
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()

    def wait(self, pattern: str | re.Pattern[str] | Callable[[str], object], timeout: float) -> str:
        """Return the next line that matches, after the one the last call returned.

        Raises: BoardError when ``timeout`` seconds have passed, or when the board stopped and no line can come.
        """
        matches = pattern if callable(pattern) else re.compile(pattern).search
        end = time.monotonic() + timeout
        with self._changed:
            at = self._seen
            while True:
                while at < len(self.lines):
                    at += 1
                    if matches(self.lines[at - 1]):
                        self._seen = at
                        return self.lines[at - 1]
                if self._closed is not None:
                    raise BoardError(self._failure(f"no line will match {pattern!r}: {self._closed}"))
                left = end - time.monotonic()
                if left <= 0:
                    raise BoardError(self._failure(f"no line matched {pattern!r} within {timeout} s"))
                self._changed.wait(left)

    def wait_closed(self, timeout: float) -> str:
        """Return why the board stopped. Raises: BoardError if it has not within ``timeout`` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed is not None, timeout):
                raise BoardError(self._failure(f"the board still runs after {timeout} s"))
            assert self._closed is not None
            return self._closed

    def _failure(self, what: str) -> str:
        """The message of an error: ``what``, and the console's end, where a line that repeats itself is shown once."""
        runs = [(line, len(list(group))) for line, group in itertools.groupby(self.lines[-_LOOKED_AT:])]
        tail = [f"  | {line}" + (f"  (× {count})" if count > 1 else "") for line, count in runs[-_TAIL:]]
        return "\n".join([f"virtual board: {what}; the console ends with:", *tail])
