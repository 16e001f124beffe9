"""Serial ports: which there are, and why one can't be used, in one line."""

import re
from pathlib import Path

import serial
from serial.tools import list_ports

from mulligan_host import urlhandlers
from mulligan_host.errors import HostError

if urlhandlers.__name__ not in serial.protocol_handler_packages:
    serial.protocol_handler_packages.insert(0, urlhandlers.__name__)

_WHY = (
    (r"exclusively lock|Errno 11\b|Errno 16\b|busy|Access is denied", "is in use: close whatever has it open"),
    (r"Errno 13\b|Permission denied", "may not be opened by you: join its group (usermod -aG dialout $USER) and log in again"),
    (r"Errno 111\b|refused", "refuses connections: start the server that it names"),
    (r"invalid URL|unknown option", "is not a port: give a device such as /dev/ttyUSB0, or a URL as rfc2217://HOST:PORT"),
    (r"Errno (-2|-3|8|-5)\b|resolv|getaddrinfo|not known", "names a host that is not known: check the address"),
    (r"Errno 25\b|Inappropriate ioctl", "is a file, not a serial port"),
    (r"Errno (5|6|19)\b|returned no data|reader thread died|disconnected|readiness to read|ClearCommError",
     "is gone: plug the board in again, and try once more"),
    (r"timeout waiting|could not (enter|exec|complete)", "stopped answering: check the cable, reset the board, and try again"),
    (r"Errno 2\b|No such file|FileNotFound|could not find the file", "is not there: plug the board in"),
)  # fmt: skip


def names() -> list[str]:
    """The serial ports of this machine that have a USB device behind them."""
    return sorted(port.device for port in list_ports.comports() if port.vid is not None)


def is_port(name: str) -> bool:
    """Whether ``name`` is a serial port's, and not a file's."""
    return "://" in name or name.upper().startswith("COM") or Path(name).is_char_device()


def choose(given: str | None) -> str:
    """``given``, or the only port that there is. Raises: HostError."""
    if given:
        return given
    found = names()
    if not found:
        raise HostError("no board is plugged in that shows up as a serial port; name one with --port")
    if len(found) > 1:
        raise HostError(f"more than one serial port: {', '.join(found)}; choose one with --port")
    return found[0]


def explained(port: str, error: BaseException) -> HostError:
    """Why ``port`` could not be opened, or was lost."""
    said = re.sub(r"the port is busy or doesn't exist|Hint: .*", "", " ".join(str(error).split()))  # esptool's guesses
    for pattern, why in _WHY:
        if re.search(pattern, said, re.IGNORECASE):
            more = f" (there are: {', '.join(names()) or 'none'})" if why.startswith("is not there") else ""
            return HostError(f"{port} {why}{more}")
    return HostError(f"{port}: {said}")
