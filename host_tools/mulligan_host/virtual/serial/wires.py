"""What a virtual board's serial line is connected to: an RFC 2217 port, or a pseudo-terminal."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mulligan_host.virtual.serial.faults import NONE, Faults
from mulligan_host.virtual.serial.line import Line
from mulligan_host.virtual.serial.pty import Pty
from mulligan_host.virtual.serial.registers import PROFILES
from mulligan_host.virtual.serial.rfc2217 import Server


@dataclass(frozen=True)
class Wires:
    """What is asked for; neither ``port`` nor ``pty`` is a board without a serial line."""

    port: int | None = None
    """Of RFC 2217; 0 for any that is free."""
    pty: bool = False
    link: Path | None = None
    """A path that is to point to the pseudo-terminal."""
    chip: str = "esp32"
    download: bool = False
    """Whether GPIO0 is low when the board is switched on."""
    faults: Faults = NONE

    def line(self) -> Line | None:
        """Return a new line, if one is asked for."""
        if self.port is None and not self.pty:
            return None
        return Line(usb=PROFILES[self.chip].usb, download=self.download)

    @contextmanager
    def connected(self, line: Line | None) -> Iterator[str]:
        """Serve ``line``; the value is what to give to ``--port`` of a tool, "" for a board without a line.

        Raises: HostError if the port is taken, or the link is there already.
        """
        with ExitStack() as stack:
            if line is None:
                yield ""
            elif self.port is not None:
                yield stack.enter_context(Server(line, self.port, self.faults)).url
            else:
                yield stack.enter_context(Pty(line, self.link, self.faults)).path
