"""Virtual firmware is an app image to esptool, and any damage to it is found."""

import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from mulligan.core.errors import FormatError
from mulligan_host.virtual.firmware import Firmware, build, inspect

FIRMWARE = Firmware("1.2.3", 2822)


def test_esptool_accepts_it(tmp_path: Path) -> None:
    path = tmp_path / "app.bin"
    path.write_bytes(build(FIRMWARE))
    done = subprocess.run([sys.executable, "-m", "esptool", "image-info", str(path)], capture_output=True, text=True, check=True)
    assert "Detected image type: ESP32" in done.stdout
    assert "App version: 1.2.3" in done.stdout
    assert "Project name: mulligan-virtual" in done.stdout
    assert done.stdout.count("(valid)") == 2  # checksum and SHA-256


@pytest.mark.parametrize(
    "firmware",
    [
        FIRMWARE,
        replace(FIRMWARE, behaviour="hang", rollback=False),
        replace(FIRMWARE, behaviour="crash", load=False),
        replace(FIRMWARE, version="x" * 31),
    ],
)
def test_round_trip_in_a_slot(firmware: Firmware) -> None:
    image = build(firmware)
    assert inspect(image) == firmware
    assert inspect(image + b"\xff" * 5000) == firmware
    assert build(firmware) == image


def test_each_flipped_bit_is_found() -> None:
    image = bytearray(build(FIRMWARE))
    for at in range(len(image)):
        for bit in (0x01, 0x10, 0x80):
            image[at] ^= bit
            with pytest.raises(FormatError):
                inspect(bytes(image))
            image[at] ^= bit
    assert inspect(bytes(image)) == FIRMWARE


def test_each_truncation_is_found() -> None:
    image = build(FIRMWARE)
    for size in range(len(image)):
        for tail in (b"", b"\xff" * 600):
            with pytest.raises(FormatError):
                inspect(image[:size] + tail)


@pytest.mark.parametrize("data", [b"", b"\xff" * 4096, bytes(4096), b"\xe9" * 4096, b"GIF89a"])
def test_other_bytes(data: bytes) -> None:
    with pytest.raises(FormatError):
        inspect(data)


@pytest.mark.parametrize(
    "change",
    [{"version": ""}, {"version": "x" * 32}, {"mpy": "2822"}, {"mpy": True}, {"behaviour": "dance"}, {"rollback": 1}],
)
def test_fields_that_make_no_sense(change: dict[str, object]) -> None:
    with pytest.raises(FormatError):
        build(Firmware(**{**asdict(FIRMWARE), **change}))
