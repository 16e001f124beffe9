"""RFC 2217 on a TCP port: what ``rfc2217://`` URLs of esptool, mpremote and every other user of pyserial connect to.

The protocol itself is pyserial's PortManager; here are the port that it manages, which is a Line, and the sockets.
"""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from serial import rfc2217 as telnet

from mulligan_host.errors import HostError
from mulligan_host.virtual.serial.faults import NONE, Faults
from mulligan_host.virtual.serial.line import RUN_BAUD, Line
from mulligan_host.virtual.serial.sender import Sender

_RECEIVE = 4096
_GONE_SECONDS = 2.0  # less than a client waits for the first word
_POLL_SECONDS = 0.02


class Server:
    """Serves ``line`` on ``port`` of this machine alone (0: any free one), to one host at a time. A context manager.

    Raises: HostError if the port is taken.
    """

    def __init__(self, line: Line, port: int = 0, faults: Faults = NONE) -> None:
        self._line = line
        self.faults = faults
        """For connections from now on."""
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind(("127.0.0.1", port))
        except OSError as e:
            self._listener.close()
            raise HostError(f"port {port}: {e.strerror}; give another, or 0 for any that is free") from e
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        self._current: _Host | None = None
        self._serving: threading.Thread | None = None
        self._thread = threading.Thread(target=self._accept, name="rfc2217", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """What to give to ``--port``."""
        return f"rfc2217://127.0.0.1:{self.port}"

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.unplug()
        if self._serving is not None:
            self._serving.join()

    def unplug(self) -> None:
        """End the connection, if there is one: a cable that is pulled."""
        current = self._current
        if current is not None:
            current.end()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            host = _Host(connection, self._line, self.faults)
            if not self._taken(host):
                host.sender.close()
                connection.close()  # the port is busy
                continue
            self._current = host
            self._serving = threading.Thread(target=self._serve, args=(connection, host), name="rfc2217 host", daemon=True)
            self._serving.start()

    def _taken(self, host: "_Host") -> bool:
        """Connect ``host`` to the line; one that has just gone is given a moment to be gone here, too."""
        deadline = time.monotonic() + _GONE_SECONDS
        while not self._line.connect(host.sender.from_chip, RUN_BAUD):
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def _serve(self, connection: socket.socket, host: "_Host") -> None:
        try:
            host.run()
        finally:
            self._current = None
            connection.close()
            self._line.disconnect()


class _Host:
    """One connection."""

    def __init__(self, connection: socket.socket, line: Line, faults: Faults) -> None:
        self._socket = connection
        self._line = line
        self.sender = Sender(line, faults, self._send, self.end)

    def run(self) -> None:
        """Serve until the connection ends, from either side."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        manager = telnet.PortManager(_Port(self._line, self.sender.purge), self)
        with suppress(OSError):
            while data := self._socket.recv(_RECEIVE):
                if plain := b"".join(manager.filter(data)):
                    self.sender.to_chip(plain)
        self.end()
        self.sender.close()

    def write(self, data: bytes) -> None:
        """Send what the protocol itself has to say: PortManager's ``connection``."""
        self.sender.say(data)

    def end(self) -> None:
        """End the connection, for both sides."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _send(self, data: bytes, from_chip: bool) -> None:
        self._socket.sendall(data.replace(telnet.IAC, telnet.IAC_DOUBLED) if from_chip else data)


class _Port:
    """The serial port as PortManager wants it: settings that a Line has no use for are kept, and that is all."""

    bytesize = 8
    parity = "N"
    stopbits = 1
    xonxoff = False
    rtscts = False
    break_condition = False
    cts = dsr = cd = True
    ri = False

    def __init__(self, line: Line, purge: Callable[[], None]) -> None:
        self._line = line
        self.reset_input_buffer = purge

    def reset_output_buffer(self) -> None:
        """Nothing waits on its way to the chip."""

    @property
    def baudrate(self) -> int:
        return self._line.host_baud or RUN_BAUD

    @baudrate.setter
    def baudrate(self, baud: int) -> None:
        self._line.host_baud = baud

    @property
    def dtr(self) -> bool:
        raise AttributeError("write-only")

    @dtr.setter
    def dtr(self, on: bool) -> None:
        self._line.control(dtr=on)

    @property
    def rts(self) -> bool:
        raise AttributeError("write-only")

    @rts.setter
    def rts(self, on: bool) -> None:
        self._line.control(rts=on)
