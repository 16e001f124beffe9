"""The unmodified esptool 5, as a subprocess, on the virtual board's serial line."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from host.serialdesk import LAYOUT, Desk, MakeDesk
from mulligan.core import partitions
from mulligan_host.micropython import MicroPython
from mulligan_host.partitions import read_csv
from mulligan_host.virtual.flash import SIZE_4MB

MAC = "24:0a:c4:00:00:01"
AT = 0x200000


@pytest.fixture
def make_desk(tmp_path: Path, micropython32: MicroPython) -> Iterator[MakeDesk]:
    with ExitStack() as stack:

        def make(files: dict[str, bytes] | None = None, **options: Any) -> Desk:
            return stack.enter_context(Desk(tmp_path, micropython32, files, **options))

        yield make


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    """An erased board on a pty, in download mode."""
    made = make_desk()
    made.board.power_on()
    made.reset(download=True)
    return made


def test_as_users_run_it(make_desk: MakeDesk) -> None:
    """DTR and RTS reset it into download mode and out of it; the stub is loaded; what was flashed from nothing boots."""
    desk = make_desk(rfc2217=True)
    table = desk.write("table.bin", partitions.encode(read_csv(LAYOUT, SIZE_4MB)))
    desk.board.power_on()
    desk.board.wait("no partition table")
    said = desk.esptool("--baud", 460800, "write-flash", 0x8000, table, 0x10000, desk.write("app.bin", desk.app))
    assert re.search(r"Chip type: +ESP32-D0WD-V3 \(revision v3\.1\)", said)
    assert re.search(rf"MAC: +{MAC}", said)
    assert "Stub flasher running" in said
    assert "Changed." in said  # the baud rate
    assert said.count("Hash of data verified") == 2
    assert "Hard resetting via RTS pin" in said
    desk.board.wait("ota_0 runs")
    desk.board.wait(r'Type "help\(\)"')


@pytest.mark.parametrize("stub", [[], ["--no-stub"]])
@pytest.mark.parametrize("packed", ["--compress", "--no-compress"])
def test_writes_and_verifies(desk: Desk, stub: list[str], packed: str) -> None:
    data = os.urandom(5000) + bytes(20000) + b"\xdb\xc0\xdc\xdd\xff" * 99
    path = desk.write("data", data)
    desk.board.flash.poke(AT, bytes(0x8000))
    said = desk.esptool(*stub, "write-flash", packed, AT, path)
    assert "Hash of data verified" in said
    assert ("Stub flasher running" in said) == (not stub)
    assert desk.peek(AT, len(data)) == data
    assert desk.peek(AT + 0x7000, 0x1000) == bytes(0x1000)  # no sector more than it had to
    assert "digest matched" in desk.esptool(*stub, "verify-flash", AT, path)
    desk.board.flash.poke(AT + 20, bytes([data[20] ^ 1]))
    assert "digest mismatch" in desk.esptool(*stub, "verify-flash", AT, path, code=2)


@pytest.mark.parametrize("stub", [[], ["--no-stub"]])
def test_reads(desk: Desk, stub: list[str]) -> None:
    size = 3000 if stub else 300000
    content = os.urandom(size)
    desk.board.flash.poke(AT, content)
    desk.esptool(*stub, "read-flash", AT, size, desk.work / "read")
    assert (desk.work / "read").read_bytes() == content


def test_erases(desk: Desk) -> None:
    desk.board.flash.poke(AT, bytes(0x4000))
    desk.esptool("erase-region", AT + 0x1000, 0x2000)
    assert desk.peek(AT, 0x4000) == bytes(0x1000) + b"\xff" * 0x2000 + bytes(0x1000)
    desk.esptool("erase-flash")
    assert desk.peek(0, SIZE_4MB) == b"\xff" * SIZE_4MB


@pytest.mark.parametrize(("chip", "name"), [("esp32", "ESP32"), ("esp32s3", "ESP32-S3"), ("esp32c3", "ESP32-C3")])
def test_tells_the_chip_its_flash_and_its_mac(make_desk: MakeDesk, chip: str, name: str) -> None:
    desk = make_desk(chip=chip)
    desk.board.power_on()
    desk.reset(download=True)
    said = desk.esptool("--no-stub", "flash-id")
    assert f"Connected to {name} on" in said
    assert re.search(rf"MAC: +{MAC}", said)
    assert "Manufacturer: ef" in said
    assert "Detected flash size: 4MB" in said


def test_the_wrong_chip_is_refused(desk: Desk) -> None:
    said = desk.esptool("--chip", "esp32s3", "flash-id", code=2)
    assert "This chip is ESP32, not ESP32-S3" in said


def test_the_stub_that_runs_already_is_used(desk: Desk) -> None:
    desk.esptool("--after", "no-reset-stub", "read-mac")
    assert "Stub flasher is already running" in desk.esptool("flash-id")


def test_a_board_in_run_mode_is_left_alone(make_desk: MakeDesk) -> None:
    """On a pty esptool can't reset it: it fails, and the program has gone on."""
    desk = make_desk({"boot.py": b"", "main.py": b"import time\nwhile True:\n  print('alive')\n  time.sleep(0.1)\n"})
    desk.board.power_on()
    desk.board.wait("alive")
    said = desk.esptool("--connect-attempts", 1, "flash-id", code=2)
    assert "Failed to connect" in said
    desk.board.wait("alive")
    assert len(desk.board.resets) == 1
