"""Each plane beside the model: config, app, firmware; and what is left when nothing else is: recovery, and flashing anew."""

import json
from pathlib import Path

import pytest

from hil.conftest import APP, READY, plane
from mulligan_host.cli.main import cli
from mulligan_host.hil.board import Board
from mulligan_host.hil.releases import Releases
from mulligan_host.virtual import firmware


def test_from_nothing(board: Board, release: Releases) -> None:
    """An erased flash; MicroPython; Mulligan: each by one command."""
    board.erase()
    board.flash()
    board.reset()
    board.wait(READY)
    board.install(release.public)
    status = board.status()
    assert (status["board"], status["journal"]["root"]) == (board.spec.kind, True)
    again = board.install(release.public)
    assert (again["copied"], again["provisioned"]) == ([], False)


def test_a_config(ready: Board, release: Releases, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"level": 7}))
    assert ready.push(release.publish("2.0.0", f"{path}=1.1.0"))["outcome"] == "confirmed"
    assert plane(ready, "config")["version"] == "1.1.0"
    assert ready.exec("import mulligan; print(mulligan.config()['level'])").split()[-1:] == ["7"]


def test_an_app(ready: Board, release: Releases, tmp_path: Path) -> None:
    directory = tmp_path / "app"
    directory.mkdir()
    (directory / "main.py").write_text(APP.replace("FAULT", "").replace("app: serves", "new app: serves"))
    image = tmp_path / "app.img"
    cli.main(["app", "pack", str(directory), "--version", "1.0.0", "-o", str(image)], standalone_mode=False)
    assert ready.push(release.publish("2.0.0", image))["outcome"] == "confirmed"
    ready.reset()
    ready.wait("new app: serves 1.0.0")
    assert plane(ready, "app")["version"] == "1.0.0"


def test_a_firmware(ready: Board, release: Releases, tmp_path: Path) -> None:
    virtual = ready.power.virtual
    if virtual is None:
        pytest.skip(f"{ready.name}: no second firmware to update it to")
    path = tmp_path / "firmware.bin"
    mpy = virtual.running.mpy
    path.write_bytes(firmware.build(firmware.Firmware("9.9.9", mpy)))
    assert ready.push(release.publish("2.0.0", f"{path}=9.9.9", mpy=mpy, boot_ms=5000))["outcome"] == "confirmed"
    ready.reset()
    ready.wait("app: serves 1.0.0")
    status = ready.status()
    assert status["running"] == "ota_1"
    assert plane(ready, "firmware")["version"] == "9.9.9"


def test_recovery(ready: Board, update: Path) -> None:
    """Asked for on the board, it begins with a reset; the cable works in it as ever, and leads out of it."""
    ready.start("import mulligan; mulligan.recovery()")
    ready.wait("mulligan: recovery")
    assert ready.push(update)["outcome"] == "confirmed"
    ready.reset()
    ready.wait("app: serves 1.1.0")
