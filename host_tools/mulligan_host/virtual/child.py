"""One MicroPython process: started, listened to, killed. It never outlives its board."""

import fcntl
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from mulligan_host.virtual import protocol

_CHUNK = 65536
Request = tuple[int, int, int, bytes]


class HasFileno(Protocol):
    """What can be waited for."""

    def fileno(self) -> int: ...


class Child:
    """A process that runs the module ``start``, found with the others of its ``path``; a context manager that kills it.

    ``command`` is an interpreter with its options, ``directory`` where it starts, ``others`` what else ``wait`` waits for.
    """

    def __init__(self, command: list[str], path: str, directory: Path, others: Mapping[str, HasFileno | int]) -> None:
        self._link, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*command, "-m", "start", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env={**os.environ, "MICROPYPATH": path},
                start_new_session=True,  # so that whatever it may start is killed with it
                bufsize=0,
            )
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        self._input = self._process.stdin
        os.set_blocking(self._input.fileno(), False)
        self._output = self._process.stdout
        self._selector = selectors.DefaultSelector()
        for name, source in {"link": self._link, "output": self._output, **others}.items():
            self._selector.register(source, selectors.EVENT_READ, name)

    def wait(self, timeout: float | None) -> set[str]:
        """Return which of ``link``, ``output`` and the others has something to read, after at most ``timeout`` seconds."""
        return {key.data for key, _ in self._selector.select(timeout)}

    def output(self) -> bytes:
        """Return what it printed since; to be called when ``wait`` says so."""
        data = self._output.read(_CHUNK) or b""
        if not data:
            self._selector.unregister(self._output)
        return data

    def type(self, data: bytes) -> None:
        """Give it ``data`` to read; what it is too slow for is lost, as on a UART."""
        with suppress(OSError):
            while data:
                data = data[self._input.write(data) or len(data) :]

    def interrupt(self) -> bool:
        """Raise KeyboardInterrupt in it, wherever it is, unless it is making a request; say whether that was done.

        MicroPython's unix port raises in the signal's handler, so half a request could be all that is ever written. It is
        stopped to look whether it has begun one.
        """
        pid = self._process.pid
        try:
            os.kill(pid, signal.SIGSTOP)
            os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            unread = int.from_bytes(fcntl.ioctl(self._link, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
            idle = not unread and not select.select([self._link], [], [], 0)[0]
            if idle:
                os.kill(pid, signal.SIGINT)
            os.kill(pid, signal.SIGCONT)
        except (ProcessLookupError, ChildProcessError):
            return True  # nothing is left to interrupt
        return idle

    def worked(self) -> float:
        """Return the seconds of a processor that it has had. Source: clock_getcpuclockid(3), as glibc and musl make them."""
        with suppress(OSError):
            return time.clock_gettime(~self._process.pid << 3 | 2)
        return float("inf")  # it has ended

    def asleep(self) -> bool:
        """Whether it waits for something, and not for a processor. Source: proc_pid_stat(5)."""
        with suppress(OSError):
            return Path(f"/proc/{self._process.pid}/stat").read_bytes().rpartition(b") ")[2][:1] == b"S"
        return True

    def request(self) -> Request | None:
        """Return its next request: op, a, b, payload. None if it has ended, or asks for what no child of ours asks."""
        header = self._receive(protocol.REQUEST.size)
        if header is None:
            return None
        op, a, b, size = protocol.REQUEST.unpack(header)
        payload = self._receive(size) if size <= protocol.PAYLOAD_MAX else None
        return None if payload is None else (op, a, b, payload)

    def reply(self, value: int, payload: bytes, interrupt: bool = False) -> None:
        """Answer its last request; with ``interrupt`` that raises KeyboardInterrupt when it is done."""
        with suppress(OSError):  # it has ended: the next request says so
            self._link.sendall(protocol.REPLY.pack(value, interrupt) + payload)

    def end(self) -> tuple[int, bytes]:
        """Kill it, if it has not ended; return its exit code and the last of its output."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        rest = b""
        while data := self._output.read(_CHUNK):
            rest += data
        self._selector.close()
        self._link.close()
        self._output.close()
        self._input.close()
        return code, rest

    def ended(self, timeout: float) -> int | None:
        """Return the exit code if it ends by itself within ``timeout`` seconds."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def _receive(self, size: int) -> bytes | None:
        data = b""
        try:
            while len(data) < size:
                more = self._link.recv(size - len(data))
                if not more:
                    return None
                data += more
        except OSError:
            return None
        return data
