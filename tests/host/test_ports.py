"""Ports that can't be used, and boards that don't answer: one line each, that says what to do."""

import errno
import os
import pty
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from mpremote.transport import TransportError

from host import firmwares
from host.models import Command
from host.serialdesk import QUIET
from mulligan_host import keys, ports

pytestmark = QUIET
PORTS = {
    "missing": ("/dev/ttyNoSuch0", "is not there: plug the board in"),
    "a file": ("fw.bin", "is a file, not a serial port"),
    "a directory": (".", "Is a directory"),
    "no device": ("/dev/null", "is a file, not a serial port"),
    "no server": ("rfc2217://127.0.0.1:1", "refuses connections: start the server that it names"),
    "no host": ("rfc2217://no-such-host.invalid:2217", "names a host that is not known: check the address"),
    "no protocol": ("telepathy://board", "is not a port: give a device such as /dev/ttyUSB0, or a URL as rfc2217://HOST:PORT"),
    "no server at a socket": ("socket://127.0.0.1:1", "refuses connections"),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("fw.bin").write_bytes(firmwares.combined())
    keys.create(Path("k.pem"))
    Path("rel").mkdir()
    return tmp_path


@pytest.fixture
def silent() -> Iterator[str]:
    """A port at which nobody answers."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    yield os.ttyname(theirs)
    os.close(theirs)
    os.close(ours)


COMMANDS = {
    "flash": ["board", "flash", "fw.bin", "--board", "esp32"],
    "install": ["board", "install", "--board", "esp32", "--key", "k.pub.pem"],
    "status": ["board", "status"],
    "log": ["board", "log"],
    "push": ["board", "push", "rel"],
    "rollback": ["board", "rollback", "model"],
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("what", PORTS)
def test_a_port_that_is_none(here: Path, command: Command, what: str, name: str) -> None:
    port, said = PORTS[what]
    line = command(*COMMANDS[name], "--port", port, code=1)
    assert said in line
    assert port in line


@pytest.mark.parametrize("name", COMMANDS)
def test_no_port_given(here: Path, command: Command, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(ports, "names", list)
    assert "no board is plugged in" in command(*COMMANDS[name], code=1)
    monkeypatch.setattr(ports, "names", lambda: ["/dev/ttyUSB0", "/dev/ttyUSB1"])
    assert "more than one serial port: /dev/ttyUSB0, /dev/ttyUSB1; choose one with --port" in command(*COMMANDS[name], code=1)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_busy_port(here: Path, command: Command, silent: str, name: str) -> None:
    with serial.Serial(silent, exclusive=True):
        assert "is in use: close whatever has it open" in command(*COMMANDS[name], "--port", silent, code=1)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EACCES, "Permission denied"), "may not be opened by you: join its group"),
        (serial.SerialException("[Errno 13] could not open port"), "may not be opened by you"),
        (OSError(errno.EIO, "Input/output error"), "is gone: plug the board in again"),
        (serial.SerialException("device reports readiness to read but returned no data"), "is gone"),
        (TransportError("timeout waiting for first EOF reception"), "stopped answering: check the cable"),
        (serial.SerialException("something else\nin two lines"), "p: something else in two lines"),
    ],
)
def test_what_else_a_port_can_suffer(error: Exception, said: str) -> None:
    assert said in str(ports.explained("p", error))


def test_nobody_at_the_other_end(here: Path, command: Command, silent: str) -> None:
    assert "no MicroPython answers there" in command("board", "status", "--port", silent, code=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["board", "install", "--board", "esp32"], "give --key"),
        (["board", "install", "--board", "esp32", "--key", "k.pub.pem", "--root", "k.pem"], "not both"),
        (["board", "push", "no-such-directory"], "no-such-directory"),
        (["board", "rollback", "planet"], "planet"),
        (["board", "flash", "fw.bin"], "--board"),
        (["board", "flash", "fw.bin", "--board", "esp32", "--baud", "fast"], "fast"),
    ],
)
def test_wrong_command_lines(here: Path, command: Command, arguments: list[str], said: str) -> None:
    assert said in command(*arguments, code=2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["board", "install", "--board", "esp32", "--key", "k.pem"], "not a public key"),
        (["board", "install", "--board", "esp32", "--root", "fw.bin"], "root"),
        (["board", "install", "--board", "nano", "--key", "k.pub.pem"], "no board is called nano"),
    ],
)
def test_wrong_files_for_an_install(here: Path, command: Command, silent: str, arguments: list[str], said: str) -> None:
    assert said in command(*arguments, "--port", silent, code=1)
