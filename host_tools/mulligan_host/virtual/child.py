"""One MicroPython process: started, listened to, killed. It never outlives its board."""

import os
import selectors
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from mulligan_host.virtual import protocol

_CHUNK = 65536
Request = tuple[int, int, int, bytes]


class Child:
    """A process that runs the module ``start``, found with the others of its ``path``; a context manager that kills it.

    ``command`` is an interpreter with its options, ``directory`` where it starts, ``wake`` a descriptor that ends ``wait``.
    """

    def __init__(self, command: list[str], path: str, directory: Path, wake: int) -> None:
        self._link, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*command, "-m", "start", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env={**os.environ, "MICROPYPATH": path},
                start_new_session=True,  # so that whatever it may start is killed with it
                bufsize=0,
            )
        assert self._process.stdout is not None
        self._output = self._process.stdout
        self._selector = selectors.DefaultSelector()
        for source, name in ((self._link, "link"), (self._output, "output"), (wake, "wake")):
            self._selector.register(source, selectors.EVENT_READ, name)

    def wait(self, timeout: float | None) -> set[str]:
        """Return which of ``link``, ``output`` and ``wake`` has something to read, after at most ``timeout`` seconds."""
        return {key.data for key, _ in self._selector.select(timeout)}

    def output(self) -> bytes:
        """Return what it printed since; to be called when ``wait`` says so."""
        data = self._output.read(_CHUNK) or b""
        if not data:
            self._selector.unregister(self._output)
        return data

    def request(self) -> Request | None:
        """Return its next request: op, a, b, payload. None if it has ended, or asks for what no child of ours asks."""
        header = self._receive(protocol.REQUEST.size)
        if header is None:
            return None
        op, a, b, size = protocol.REQUEST.unpack(header)
        payload = self._receive(size) if size <= protocol.PAYLOAD_MAX else None
        return None if payload is None else (op, a, b, payload)

    def reply(self, value: int, payload: bytes) -> None:
        """Answer its last request."""
        with suppress(OSError):  # it has ended: the next request says so
            self._link.sendall(protocol.REPLY.pack(value) + payload)

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
