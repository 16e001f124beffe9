"""Firmware, app and config beside the model, each alone, on a virtual board: the app itself runs from the app slot."""

from pathlib import Path
from typing import Any

import pytest

from host import planes
from host.planes import HANGS, RAISES, Board, comes_back, frozen, publish, runs, versions
from host.rig import Rig
from mulligan.core import otadata
from mulligan_host import release
from mulligan_host.artifacts import Part
from mulligan_host.micropython import MicroPython

SCHEMA = (
    b'{"type":"object","required":["level"],"additionalProperties":false,"properties":{"level":{"type":"integer","maximum":9}}}'
)

# Config


def test_a_config_is_swapped_without_a_reset(board: Board) -> None:
    rig = board(files={"config.schema.json": SCHEMA})
    publish(rig, [planes.config("1.1.0", level=2)])
    runs(rig, config=2)
    assert (versions(rig)["config"], len(rig.board.resets)) == ("1.1.0", 1)
    rig.board.power_off()
    rig.board.power_on()
    runs(rig, config=2)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"level": 10}, "config.level: 10"),
        ({"level": 2, "more": 1}, "more is not known"),
        ({"level": True}, "not of type integer"),
    ],
)
def test_a_config_that_the_app_has_no_room_for(board: Board, values: dict[str, Any], said: str) -> None:
    rig = board(files={"config.schema.json": SCHEMA})
    publish(rig, [planes.config("1.1.0", **values)])
    refused = rig.wait("refused")
    assert (refused["code"], said in refused["reason"]) == ("10", True)
    assert (versions(rig)["config"], rig.all("activated")) == ("1.0.0", [])


def test_an_app_that_the_config_does_not_fit(board: Board, tmp_path: Path) -> None:
    """The config stays, so the new app has to take it; together with one that fits, it is installed."""
    rig = board()
    newer = planes.app(tmp_path, "1.1.0", files={"config.schema.json": SCHEMA.replace(b'"level"', b'"depth"')})
    publish(rig, [newer])
    assert "depth is missing" in rig.wait("refused")["reason"]
    publish(rig, [newer, planes.config("1.1.0", depth=3)], "2.1.0")
    runs(rig, app="1.1.0", config=None)
    rig.wait("confirmed")
    assert versions(rig) == {"model": "1.0.0", "app": "1.1.0", "config": "1.1.0"}


def test_a_config_that_fails_the_check_of_the_app(board: Board) -> None:
    """It answers the app while it is tried, and is taken back where a check of the app says no."""
    check = "import mulligan\n@mulligan.check('level')\ndef level(): return mulligan.config()['level'] < 5\n"
    rig = board(check + "def before(): pass\ndef within(): pass\n")
    publish(rig, [planes.config("1.1.0", level=7)])
    comes_back(rig, ["config"], "check level: failed")
    assert rig.at("^app: .*config=7$") < rig.at("^mulligan: rolled-back ")
    assert len(rig.board.resets) == 1
    publish(rig, [planes.config("1.2.0", level=3)], "2.1.0")
    runs(rig, config=3)


def test_the_deadline_of_a_trial_outlives_deep_sleep(board: Board) -> None:
    """The app sleeps again and again, and never confirms: what it was awake adds up, though each wake starts the trial again."""
    naps = """
import machine, mulligan
def before(): pass
def within():
    machine.virtual.idle(100)
    if machine.virtual.ticks_ms() > 3500 and any(a["trial"] for a in mulligan.status()["artifacts"]):
        machine.deepsleep(1000)
"""
    rig = board(naps)
    publish(rig, [planes.config("1.1.0", level=2)], health=release.Health(0, deadline_ms=8000, confirm=1, heap=0))
    comes_back(rig, ["config"], "confirm: the app did not call mulligan.confirm() within 8000 ms")
    causes = [cause for cause, _ in rig.board.resets]
    assert causes[0] == 1
    assert set(causes[1:]) == {4}
    assert 2 <= len(causes) - 1 <= 7  # each wake is awake for a seventh of the deadline at least


# App


def test_an_app_is_updated_by_a_reset_and_serves_from_then_on(board: Board, tmp_path: Path) -> None:
    rig = board()
    publish(rig, [planes.app(tmp_path, "1.1.0")])
    runs(rig, app="1.1.0")
    rig.wait("confirmed")
    assert [cause for cause, _ in rig.board.resets] == [1, 2]
    entry = rig.state().only("app")
    assert (entry.slot, entry.image.version, entry.spare.version, entry.floor) == (1, "1.1.0", "1.0.0", 1)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [(RAISES, "watchdog"), (HANGS, "watchdog"), ("import machine\nmachine.reset()", "other")],
    ids=["raises", "hangs", "resets"],
)
def test_an_app_that_never_comes_to_its_steps(board: Board, tmp_path: Path, fault: str, cause: str) -> None:
    rig = board()
    publish(rig, [planes.app(tmp_path, "1.1.0", fault)], health=release.Health(0, attempts=2, deadline_ms=1000, watchdog_ms=1000))
    comes_back(rig, ["app"], f"2 failed starts, the last by {cause} reset")


def test_an_app_that_does_not_confirm_in_time(board: Board, tmp_path: Path) -> None:
    rig = board()
    publish(rig, [planes.app(tmp_path, "1.1.0")], health=release.Health(0, deadline_ms=3000, confirm=1, heap=0))
    comes_back(rig, ["app"], "confirm: the app did not call mulligan.confirm() within 3000 ms")


def test_an_app_that_confirms(board: Board, tmp_path: Path) -> None:
    rig = board()
    says = "import mulligan\ndef before(): pass\ndef within(): mulligan.confirm()\n"
    publish(rig, [planes.app(tmp_path, "1.1.0", says)], health=release.Health(0, deadline_ms=3000, confirm=1, heap=0))
    assert rig.wait("confirmed")["version"] == "1.1.0"


def test_an_app_that_makes_a_watchdog_of_its_own(board: Board, tmp_path: Path) -> None:
    """The chip has one: the app's timeout takes the place of the trial's, and both end in a reset that is counted."""
    own = "import machine\ndef before(): machine.WDT(timeout=1500)\ndef within(): pass\n"
    rig = board()
    publish(rig, [planes.app(tmp_path, "1.1.0", own)])
    runs(rig, app="1.1.0")
    rig.wait("confirmed")


def test_an_app_for_another_firmware_is_refused(board: Board, tmp_path: Path, micropython32: MicroPython) -> None:
    rig = board()
    native = {"kernel.py": b"import micropython\n@micropython.viper\ndef f(x: int) -> int:\n    return x\n"}
    publish(rig, [planes.app(tmp_path, "1.1.0", files=native, arch="xtensawin")])
    refused = rig.wait("refused")
    assert (refused["code"], f"has {micropython32.mpy}" in refused["reason"]) == ("34", True)
    assert not [request for request in rig.web.requests if "/artifacts/" in request.path]


def test_a_damaged_app_gives_way_to_the_one_before(board: Board, tmp_path: Path) -> None:
    rig = board()
    publish(rig, [planes.app(tmp_path, "1.1.0")])
    rig.wait("confirmed")
    rig.board.power_off()
    rig.board.flash.poke(rig.address("app_1") + 1024, bytes(16))
    rig.board.power_on()
    assert rig.wait("damaged")["version"] == "1.1.0"
    runs(rig)
    rig.wait("confirmed")  # installed anew
    assert versions(rig)["app"] == "1.1.0"


# Firmware


def test_a_firmware_is_tried_by_the_bootloader_and_kept(board: Board, micropython32: MicroPython) -> None:
    rig = board()
    publish(rig, [planes.system("2.0.0", micropython32)])
    rig.wait("confirmed")
    entry = rig.state().only("firmware")
    assert (entry.slot, entry.image.version, entry.image.mpy) == (1, "2.0.0", micropython32.mpy)
    assert otadata.decode(rig.board.partition("otadata")[otadata.SECTOR :]).state == otadata.VALID
    rig.board.power_off()
    rig.board.power_on()
    rig.board.wait("^board: ota_1 runs, firmware 2.0.0 ")
    runs(rig)


@pytest.mark.parametrize(
    "behaviour", [{"behaviour": "crash"}, {"behaviour": "hang"}, {"load": False}], ids=["crash", "hang", "unloadable"]
)
def test_a_firmware_that_does_not_come_up(board: Board, micropython32: MicroPython, behaviour: dict[str, Any]) -> None:
    rig = board()
    slow = release.Health(0, attempts=1, deadline_ms=9000, watchdog_ms=2000, heap=0)
    publish(rig, [planes.system("2.0.0", micropython32, **behaviour)], health=slow)
    comes_back_from_firmware(rig)


def comes_back_from_firmware(rig: Rig) -> None:
    assert "1 failed starts" in rig.wait("rolled-back")["reason"]
    runs(rig)
    rig.held_the_bound("^app: version=1.0.0 ")
    assert rig.board.running is not None
    assert (rig.board.running.version, frozen(rig), rig.state().on_trial()) == ("1.25.0", ["firmware"], [])


def test_a_firmware_whose_power_fails_is_tried_again(board: Board, micropython32: MicroPython) -> None:
    """The bootloader aborts it, as it can't tell; the old one arms it again, counted."""
    rig = board()
    rig.on_event = lambda line: rig.board.power_off() if "action=try" in line else None
    publish(rig, [planes.system("2.0.0", micropython32)])
    rig.board.wait_off()
    rig.on_event = None
    rig.board.power_on()
    rig.board.wait("^mulligan: boot action=arm ")
    rig.wait("confirmed")
    assert (versions(rig)["firmware"], frozen(rig)) == ("2.0.0", [])


def test_a_firmware_that_sleeps_through_its_trial(board: Board, tmp_path: Path, micropython32: MicroPython) -> None:
    """A wake starts what ran before, without a look at otadata: neither a failure nor a success."""
    nap = """
import machine
def before():
    if machine.reset_cause() != 4 and machine.RTC().memory() == b"nap":
        machine.RTC().memory(b"")
        machine.deepsleep(1000)
def within(): pass
import mulligan
if any(a["trial"] for a in mulligan.status()["artifacts"]) and machine.reset_cause() == 2: machine.RTC().memory(b"nap")
"""
    rig = board(nap)
    publish(rig, [planes.system("2.0.0", micropython32)])
    rig.board.wait("^board: wake from deep sleep")
    rig.wait("confirmed")
    assert (versions(rig)["firmware"], frozen(rig)) == ("2.0.0", [])


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (lambda raw: raw[:12] + b"\x09\0" + raw[14:], "71", "for chip 9, this is chip 0"),
        (lambda raw: raw[:32] + bytes(4) + raw[36:], "10", "not an app image"),
        (lambda raw: raw[:300] + bytes([raw[300] ^ 1]) + raw[301:], "", "set_boot"),
    ],
    ids=["another chip", "combined image", "bad checksum"],
)
def test_a_firmware_that_is_none(board: Board, micropython32: MicroPython, spoil: Any, code: str, said: str) -> None:
    """Signed all the same: never started. A wrong checksum is the bootloader's to find, in set_boot."""
    rig = board()
    good = planes.system("2.0.0", micropython32)
    publish(rig, [Part(good.plane, good.name, good.version, spoil(good.content), good.mpy)])
    answer = rig.wait("refused" if code else "rolled-back")
    assert (answer.get("code", ""), said in answer["reason"]) == (code, True)
    assert len(rig.board.resets) == 1
    assert rig.board.running is not None
    assert rig.board.running.version == "1.25.0"


def test_a_firmware_that_could_not_run_the_app(board: Board, micropython32: MicroPython) -> None:
    """Refused before a byte of it is fetched."""
    rig = board()
    good = planes.system("2.0.0", micropython32)
    publish(rig, [Part(good.plane, good.name, good.version, good.content, 5)])
    refused = rig.wait("refused")
    assert (refused["code"], "release both together" in refused["reason"]) == ("34", True)
    assert not [request for request in rig.web.requests if "/artifacts/" in request.path]


def test_a_confirmed_firmware_that_rots_leaves_the_other_in_charge(board: Board, micropython32: MicroPython) -> None:
    """The bootloader falls back, and set_boot refuses the rotten one: the old one is confirmed again, and can be updated."""
    rig = board()
    publish(rig, [planes.system("2.0.0", micropython32)])
    rig.wait("confirmed")
    rig.board.power_off()
    rig.board.flash.poke(rig.address("ota_1") + 304, bytes(8))
    rig.board.power_on()
    rig.board.wait("^mulligan: boot action=return ")
    rig.board.wait("^mulligan: adopted ")
    runs(rig)
    entry = rig.state().only("firmware")
    assert (entry.slot, entry.image.version, entry.spare) == (0, "1.25.0", None)
    rig.wait("confirmed")  # the release is installed anew, over the rotten one
    assert (versions(rig)["firmware"], rig.board.running and rig.board.running.version) == ("2.0.0", "2.0.0")


def test_a_firmware_that_somebody_else_has_on_trial(board: Board, micropython32: MicroPython) -> None:
    """While what runs is PENDING, the other slot is what the bootloader would go back to: it is not written."""
    rig = board(on=False)
    other = planes.system("1.26.0", micropython32).content
    rig.board.flash.poke(rig.address("ota_1"), other)
    entry = otadata.encode(otadata.entry(2, otadata.NEW))
    rig.board.flash.poke(rig.address("otadata") + otadata.SECTOR, entry)
    rig.board.power_on()
    rig.board.wait("^board: ota_1 runs, firmware 1.26.0 ")
    publish(rig, [planes.system("2.0.0", micropython32)])
    refused = rig.wait("refused")
    assert (refused["code"], "not confirmed" in refused["reason"]) == ("36", True)
    assert rig.board.partition("ota_0")[:32] != b"\xff" * 32
