"""Bad serial lines under unmodified tools: they retry or fail cleanly, and the board is never worse off."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import serial

from host.serialdesk import Desk, MakeDesk
from mulligan_host.micropython import MicroPython
from mulligan_host.virtual.serial.faults import NONE, Faults

pytestmark = pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial's, on RFC 2217
AT = 0x200000
DATA = os.urandom(20000)
FILES = {"boot.py": b"", "main.py": b"print('main begins')\n", "kept.txt": b"kept" * 500}


@pytest.fixture
def make_desk(tmp_path: Path, micropython32: MicroPython) -> Iterator[MakeDesk]:
    with ExitStack() as stack:

        def make(faults: Faults, **options: Any) -> Desk:
            desk = stack.enter_context(Desk(tmp_path, micropython32, FILES, faults=faults, **options))
            desk.board.power_on()
            desk.board.wait("main begins")
            return desk

        yield make


def no_worse(desk: Desk) -> None:
    """Reset, it boots what it booted before, from a filesystem that is whole."""
    desk.reset(download=False)
    desk.board.wait("ota_0 runs")
    desk.board.wait("main begins")


def clean(said: str) -> None:
    """A failure that is said in words."""
    assert "Traceback" not in said
    assert re.search(r"fatal error occurred|mpremote: |Failed to", said), said


@pytest.mark.parametrize("share", [0.0002, 0.01], ids=["a little", "a lot"])
def test_esptool_on_a_line_with_noise(make_desk: MakeDesk, share: float) -> None:
    """Noise that retries get over, or that they don't: what is reported as verified is so."""
    desk = make_desk(Faults(flip=share, seed=3))
    desk.reset(download=True)
    tried = desk.attempt("esptool", "--connect-attempts", 2, "write-flash", AT, desk.write("data", DATA))
    if tried.code == 0:
        assert "Hash of data verified" in tried.said
        assert desk.peek(AT, len(DATA)) == DATA
    else:
        clean(tried.said)
    no_worse(desk)


def test_esptool_on_a_line_that_loses_bytes(make_desk: MakeDesk) -> None:
    desk = make_desk(Faults(drop=0.0002, seed=1))
    desk.reset(download=True)
    tried = desk.attempt("esptool", "--no-stub", "--connect-attempts", 2, "read-flash", AT, 1000, desk.work / "read")
    if tried.code == 0:
        assert (desk.work / "read").read_bytes() == desk.peek(AT, 1000)
    else:
        clean(tried.said)
    no_worse(desk)


def test_a_device_that_stops_answering(make_desk: MakeDesk) -> None:
    desk = make_desk(Faults(mute_after=1500))
    desk.reset(download=True)
    clean(desk.esptool("write-flash", AT, desk.write("data", DATA), code=2))
    desk.line.take()
    no_worse(desk)


def test_a_link_that_dies_half_way(make_desk: MakeDesk) -> None:
    """In the middle of a copy by mpremote: the other files are as they were, and the next try works."""
    desk = make_desk(Faults(dies_after=1500), rfc2217=True)
    path = desk.write("new.bin", DATA)
    tried = desk.attempt("mpremote", "fs", "cp", path, ":new.bin")
    assert tried.code != 0
    assert desk.server is not None
    desk.server.faults = NONE
    no_worse(desk)
    said = desk.mpremote("fs", "cat", ":kept.txt")
    assert "kept" * 500 in said
    desk.mpremote("fs", "cp", path, ":new.bin")
    assert f"{len(DATA)} new.bin" in desk.mpremote("fs", "ls")


def test_a_power_cut_while_flashing(make_desk: MakeDesk) -> None:
    """Of another slot than the one that boots."""
    desk = make_desk(NONE)
    desk.reset(download=True)
    desk.board.cut_power(4)
    clean(desk.esptool("write-flash", AT, desk.write("data", DATA), code=2))
    assert "power cut" in desk.board.wait_off()
    desk.board.power_on()
    desk.board.wait("main begins")


def test_latency_and_a_true_baud_rate_are_only_slower(make_desk: MakeDesk) -> None:
    desk = make_desk(Faults(latency_ms=5, paced=True))
    assert "45" in desk.mpremote("eval", "sum(range(10))")


def test_a_busy_port(make_desk: MakeDesk) -> None:
    desk = make_desk(NONE, rfc2217=True)
    with serial.serial_for_url(desk.port) as holder:
        said = desk.mpremote("fs", "ls", code=1)
        assert "Remote does not seem to support RFC2217" in said or "failed to access" in said
        assert holder.is_open
    no_worse(desk)
