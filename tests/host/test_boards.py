"""Boards and layouts: what the files in boards/ and partitions/ say, held against each other and against esptool."""

import json
import re
from pathlib import Path

import pytest
from esptool.targets import CHIP_DEFS

from host import firmwares
from host.models import Command
from mulligan.core import layout
from mulligan.core.partitions import app_slots
from mulligan_host import boards, layouts
from mulligan_host.partitions import find, read_csv
from mulligan_host.resources import resource

LAYOUTS = {
    "4mb": 4,
    "4mb-ota": 4,
    "4mb-carried": 4,
    "4mb-ota-two-models": 4,
    "desk-4mb": 4,
    "8mb": 8,
    "16mb": 16,
    "virtual-4mb": 4,
}
"""Name to megabytes."""


def test_the_boards_there_are() -> None:
    assert {"esp32", "esp32s2", "esp32s3", "esp32c3", "esp32c6", "virtual"} <= set(boards.names())


@pytest.mark.parametrize("name", boards.names())
def test_a_board_is_true_to_esptool_and_to_its_layout(name: str) -> None:
    board = boards.load(name)
    assert board.port.bootloader == CHIP_DEFS[board.chip].BOOTLOADER_FLASH_OFFSET
    assert board.port.reset in boards.RESETS
    assert board.arch == ("rv32imc" if board.chip in ("esp32c3", "esp32c6") else "xtensawin")
    for name in board.partitions:
        assert layouts.check(read_csv(resource(f"partitions/{name}"), board.flash), board.flash)[0].fits


def test_a_board_is_one_file(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(
        'like = "esp32s3"\nflash = 16777216\npartitions = "16mb.csv"\ndescription = "ours"\n[port]\nreset = "classic"\n'
    )
    board = boards.load("mine.toml")
    assert (board.name, board.chip, board.flash, board.port.reset) == ("mine", "esp32s3", 16 << 20, "classic")
    assert board.port.baud == boards.load("esp32s3").port.baud
    Path("fw.bin").write_bytes(firmwares.combined("esp32s3"))
    said = json.loads(command("board", "flash", "fw.bin", "--board", "mine.toml", "--dry-run", "--json"))
    assert said["board"] == "mine"
    assert said["partitions"][-1]["label"] == "vfs"
    assert said["partitions"][-1]["offset"] + said["partitions"][-1]["size"] == 16 << 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("flash = ", "not TOML"),
        ('description = "x"', 'start it with like = "esp32"'),
        ('like = "esp31"', "no board is called esp31; there are esp32"),
        ('like = "esp32"\ncolour = "red"', "not a board"),
        ('like = "esp32"\n[port]\nreset = "magic"', "reset 'magic': use classic"),
    ],
)
def test_a_file_that_is_no_board(tmp_path: Path, command: Command, text: str, said: str) -> None:
    path, image = tmp_path / "mine.toml", tmp_path / "fw.bin"
    path.write_text(text)
    image.write_bytes(b"")
    assert said in command("board", "flash", image, "--board", path, "--dry-run", code=1)


def test_every_layout_is_looked_at() -> None:
    assert {path.stem for path in resource("partitions").glob("*.csv")} == set(LAYOUTS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_has_all_that_mulligan_needs(name: str) -> None:
    """No advice left, and nothing of the flash unused."""
    rows = read_csv(resource(f"partitions/{name}.csv"), LAYOUTS[name] << 20)
    assert [finding.reason for finding in layouts.check(rows, LAYOUTS[name] << 20) if finding.fits is not True] == []
    assert layouts.free(rows, 0x9000, LAYOUTS[name] << 20) == []
    assert find(rows, layouts.VFS) is rows[-1]
    assert len(app_slots(rows)) == 2
    assert sum(row.type == layout.TYPE and row.subtype == layout.EVENTS for row in rows) == 1


@pytest.mark.parametrize("name", sorted(set(LAYOUTS) - {"virtual-4mb"}))
def test_a_layout_states_its_largest_model_and_app(name: str) -> None:
    text = resource(f"partitions/{name}.csv").read_text()
    rows = read_csv(resource(f"partitions/{name}.csv"))
    stated = re.search(r"^# Largest model: (?:a|two) slot images? of (\d+) bytes", text, re.MULTILINE)
    assert stated
    assert {layouts.room(pair) for pair in layouts.model_pairs(rows)} == {int(stated[1])}
    assert len(layouts.model_pairs(rows)) == (2 if "two slot images" in text else 1)
    app = re.search(r"app images up to ([\d,]+) bytes", text)
    if app:
        assert {row.size for row in app_slots(rows)} == {int(app[1].replace(",", ""))}


def test_stock_builds_fit_the_layouts_that_are_for_them() -> None:
    room = {name: app_slots(read_csv(resource(f"partitions/{name}.csv")))[0].size for name in LAYOUTS}
    assert room["4mb"] >= firmwares.GENERIC > room["4mb-ota"] >= firmwares.OTA
    assert min(room["8mb"], room["16mb"]) >= firmwares.GENERIC
