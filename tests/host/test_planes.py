"""Firmware, app and config beside the model, alone and in sets, on a virtual board: the app itself runs from the app slot."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from host import planes
from host import rig as rigs
from host.conftest import MakeRig
from host.documents import ROOT, tables
from host.rig import BOARD, BOOT_MS, Rig
from mulligan.core import otadata
from mulligan_host import ceremony, filesystem, keys, provision, release
from mulligan_host.artifacts import Part
from mulligan_host.micropython import MicroPython
from mulligan_host.virtual.board import VirtualBoard
from mulligan_host.virtual.flash import SECTOR

SET_BOOT_MS = 1000  # more that it takes a board to boot another firmware: set_boot hashes it
HEALTH = release.Health(correct=0, attempts=2, deadline_ms=4000, watchdog_ms=2000, heap=0)
RAISES = "def before(): raise ValueError('in main.py')\n"
HANGS = "def before():\n    while True: pass\ndef within(): pass\n"
SCHEMA = (
    b'{"type":"object","required":["level"],"additionalProperties":false,"properties":{"level":{"type":"integer","maximum":9}}}'
)

Board = Callable[..., Rig]


@pytest.fixture
def board(make_rig: MakeRig, tmp_path: Path) -> Board:
    """Make a board whose app 1.0.0 and config 1.0.0 (level 1) run beside model 1.0.0, and switch it on."""

    def make(fault: str = "", files: dict[str, bytes] | None = None, on: bool = True, **told: Any) -> Rig:
        app = planes.app(tmp_path, "1.0.0", fault or planes.FINE, files=files)
        rig = make_rig(released=False, told={"parts": [app, planes.config("1.0.0", level=1)], **told})
        if on:
            rig.board.power_on()
            runs(rig)
        return rig

    return make


def runs(rig: Rig, app: str = "1.0.0", model: str = "1.0.0", config: int | None = 1) -> None:
    """Wait until the app says that it runs with these."""
    rig.board.wait(f"^app: version={app} model={model} config={config}$")


def publish(rig: Rig, parts: Sequence[Part], version: str = "2.0.0", health: release.Health = HEALTH) -> None:
    boot_ms = BOOT_MS + SET_BOOT_MS * any(part.plane == "firmware" for part in parts)
    rig.directory.build(release.Order(list(parts), [BOARD], health, version, boot_ms=boot_ms))
    rig.directory.sign(version, rig.signer)


def versions(rig: Rig) -> dict[str, str]:
    return {entry.plane: entry.image.version for entry in rig.state().entries if entry.image}


def frozen(rig: Rig) -> list[str]:
    return [entry.plane for entry in rig.state().entries if entry.frozen]


def comes_back(rig: Rig, blamed: Sequence[str], reason: str) -> None:
    """The set that was published ends in a rollback, as a whole, within the bound; the old app runs again."""
    rig.wait("activated")
    assert reason in rig.wait("rolled-back")["reason"]
    runs(rig)
    rig.held_the_bound(r"^app: version=1\.0\.0 ")
    assert {version for plane, version in versions(rig).items() if plane != "firmware"} == {"1.0.0"}
    assert (sorted(frozen(rig)), rig.state().on_trial(), rig.state().sequence) == (sorted(blamed), [], 0)
    assert rig.wait("refused" if blamed else "found")


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
    assert 2 <= len(causes) - 1 <= 5


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


# Sets


def everything(work: Path, mp: MicroPython, fault: str = "", **model: Any) -> list[Part]:
    app = planes.app(work, "1.1.0", fault or planes.FINE)
    return [planes.system("2.0.0", mp), app, planes.config("1.1.0", level=2), planes.model("1.1.0", **model)]


def test_a_set_of_all_planes_is_confirmed_together(board: Board, tmp_path: Path, micropython32: MicroPython) -> None:
    rig = board()
    publish(rig, everything(tmp_path, micropython32))
    runs(rig, "1.1.0", "1.1.0", 2)
    rig.board.wait("confirmed .*name=firmware")
    assert versions(rig) == {"firmware": "2.0.0", "app": "1.1.0", "config": "1.1.0", "model": "1.1.0"}
    assert rig.state().sequence == 1
    assert [cause for cause, _ in rig.board.resets] == [1, 2]


def test_one_bad_model_takes_the_whole_set_back(board: Board, tmp_path: Path, micropython32: MicroPython) -> None:
    rig = board()
    health = release.Health(4, attempts=2, deadline_ms=4000, watchdog_ms=2000, heap=0)
    publish(rig, everything(tmp_path, micropython32, model="1.2.0-bad"), health=health)
    comes_back(rig, ["model"], "correct: 0 of 1 golden vectors right")
    assert rig.board.running is not None
    assert rig.board.running.version == "1.25.0"


def test_an_app_that_raises_takes_the_whole_set_back(board: Board, tmp_path: Path, micropython32: MicroPython) -> None:
    rig = board()
    publish(
        rig, everything(tmp_path, micropython32, RAISES), health=release.Health(0, attempts=1, deadline_ms=1500, watchdog_ms=1000)
    )
    comes_back(rig, ["firmware", "app", "config", "model"], "1 failed starts, the last by watchdog reset")


def test_a_set_that_loses_the_network_is_taken_back_unblamed(board: Board, tmp_path: Path) -> None:
    """It came over the network, and can't reach it any more: no verdict on it, and it rests before it is tried again."""
    rig = board()
    rig.on_event = lambda line: rig.close_server() if line.startswith("mulligan: activated ") else None
    publish(rig, [planes.app(tmp_path, "1.1.0")])
    assert "the release directory was not reached" in rig.wait("rolled-back")["reason"]
    runs(rig)
    rig.held_the_bound("^app: version=1.0.0 ")
    assert (frozen(rig), rig.state().rest, versions(rig)["app"]) == ([], 1, "1.0.0")


def test_a_set_of_model_and_config_is_swapped_together_without_a_reset(board: Board) -> None:
    rig = board()
    publish(rig, [planes.config("1.1.0", level=2), planes.model("1.1.0")], health=release.Health(4, heap=0))
    runs(rig, model="1.1.0", config=2)
    assert (versions(rig), len(rig.board.resets)) == ({"model": "1.1.0", "app": "1.0.0", "config": "1.1.0"}, 1)
    mixed = [line for _, line in rig.events if "model=1.1.0 config=1" in line or "model=1.0.0 config=2" in line]
    assert mixed == []


# Live


def test_a_model_that_answers_otherwise_live_than_its_golden_vectors(board: Board) -> None:
    """The app's inputs are all the same, so its winners are too; the golden vectors have four."""
    rig = board()
    publish(rig, [planes.model("1.1.0")], health=release.Health(4, live_runs=6, live_drift=500, heap=0))
    comes_back(rig, ["model"], "live_drift: winners differ by")
    assert rig.all("healthy")
    assert rig.at("^app: .*model=1.1.0 ") < rig.at("^mulligan: rolled-back ")


def test_a_model_that_does_well_live(board: Board) -> None:
    rig = board()
    publish(rig, [planes.model("1.1.0")], health=release.Health(4, live_runs=6, latency_us=60000, heap=0))
    runs(rig, model="1.1.0")
    rig.wait("confirmed")


# By hand


@pytest.mark.parametrize("plane", ["config", "model", "app"])
def test_going_back_by_hand(board: Board, tmp_path: Path, plane: str) -> None:
    """What was gone back from is frozen until it is thawed."""
    asks = f"""
import mulligan, machine
def before(): pass
def within():
    if machine.RTC().memory() == b"back":
        machine.RTC().memory(b"")
        mulligan.rollback({plane!r})
    if machine.RTC().memory() == b"thaw":
        machine.RTC().memory(b"")
        mulligan.thaw({plane!r})
    if mulligan.status()["sequence"] == 1 and not any(a["frozen"] for a in mulligan.status()["artifacts"]) and once:
        once.clear()
        machine.RTC().memory(b"back")
once = [1]
"""
    rig = board(asks)
    parts = {
        "config": planes.config("1.1.0", level=2),
        "model": planes.model("1.1.0"),
        "app": planes.app(tmp_path, "1.1.0", asks),
    }
    publish(rig, [parts[plane]], health=release.Health(0, heap=0))
    rig.wait("confirmed")
    assert rig.wait("fell-back")["was"] == "1.1.0"
    assert rig.wait("refused")["code"] == "35"
    assert (set(versions(rig).values()), frozen(rig)) == ({"1.0.0"}, [plane])
    entry = rig.state().only(plane)
    assert (entry.floor, entry.spare) == (1, None)


def test_going_back_by_hand_to_the_firmware_that_the_board_came_with(board: Board, micropython32: MicroPython) -> None:
    """No release brought it: what ran when the first one came is known from then on."""
    asks = """
import mulligan, sys
def before(): pass
def within():
    firmware = [a for a in mulligan.status()["artifacts"] if a["plane"] == "firmware"]
    if firmware and firmware[0]["version"] == "2.0.0" and not firmware[0]["trial"]:
        mulligan.rollback("firmware")
"""
    rig = board(asks)
    publish(rig, [planes.system("2.0.0", micropython32)])
    rig.wait("confirmed")
    fell = rig.wait("fell-back")
    assert (fell["was"], fell["version"]) == ("2.0.0", "1.25.0")
    assert rig.wait("refused")["code"] == "35"
    entry = rig.state().only("firmware")
    assert (entry.slot, entry.image.version, entry.spare, frozen(rig)) == (0, "1.25.0", None, ["firmware"])
    assert rig.board.running is not None
    assert rig.board.running.version == "1.25.0"


# Recovery


def test_a_confirmed_app_that_keeps_failing_falls_back(board: Board, tmp_path: Path) -> None:
    """It was confirmed, and fails from the next boot on: four in a row, and the version before runs."""
    later = (
        "import machine\ndef before():\n    if machine.reset_cause() != 2: raise ValueError('in main.py')\ndef within(): pass\n"
    )
    rig = board(watchdog_ms=1000)
    publish(rig, [planes.app(tmp_path, "1.1.0", later)])
    rig.wait("confirmed")
    rig.board.power_off()
    rig.board.power_on()
    fell = rig.wait("fell-back")
    assert (fell["was"], "4 failed boots in a row" in fell["reason"]) == ("1.1.0", True)
    runs(rig)
    assert frozen(rig) == ["app"]


def test_an_app_that_never_runs_ends_in_recovery_which_takes_a_release(board: Board, tmp_path: Path) -> None:
    rig = board(RAISES, on=False, watchdog_ms=1000)
    rig.board.power_on()
    rig.board.wait("^mulligan: recovery")
    assert [cause for cause, _ in rig.board.resets] == [1, 3, 3, 3, 3]
    publish(rig, [planes.app(tmp_path, "1.1.0")])
    runs(rig, app="1.1.0")
    rig.wait("confirmed")
    assert versions(rig)["app"] == "1.1.0"


def test_a_held_pin_or_a_command_leads_to_recovery(board: Board) -> None:
    asks = "import mulligan\ndef before(): pass\ndef within():\n    if mulligan.config()['level'] == 2: mulligan.recovery()\n"
    rig = board(asks, recovery_pin=0)
    rig.board.power_off()
    rig.board.hold(0)
    rig.board.power_on()
    rig.board.wait("^mulligan: recovery")
    publish(rig, [planes.config("1.1.0", level=2)])
    rig.wait("confirmed")  # by the agent alone; then a reset, and the pin is still held
    rig.board.wait("^mulligan: recovery")
    rig.board.hold(0, False)
    rig.board.power_off()
    rig.board.power_on()  # now the app asks for it
    rig.board.wait("^mulligan: boot action=recover ")
    rig.board.wait("^mulligan: recovery")
    rig.board.power_off()


def test_a_damaged_app_without_another_leads_to_recovery(board: Board, tmp_path: Path) -> None:
    rig = board()
    rig.board.power_off()
    rig.board.flash.poke(rig.address("app_0") + 1024, bytes(16))
    publish(rig, [planes.app(tmp_path, "1.1.0")])
    rig.board.power_on()
    rig.wait("damaged")
    rig.board.wait("^mulligan: recovery")
    runs(rig, app="1.1.0")


# A vfs that is damaged


@pytest.mark.parametrize("config", [b"", b"{", b'{"url":"http://x/"}'])
def test_a_vfs_that_lost_its_configuration(board: Board, config: bytes) -> None:
    """What is confirmed is served all the same; there is no agent, as nobody knows where to ask."""
    rig = board(on=False)
    files = filesystem.contents(rig.board.partition("vfs"))
    files["mulligan.json"] = config
    rig.board.flash.poke(rig.address("vfs"), filesystem.filesystem(len(rig.board.partition("vfs")), files))
    rig.board.power_on()
    assert rig.wait("unconfigured")["code"] == "10"
    runs(rig)


def test_a_vfs_that_does_not_mount(board: Board) -> None:
    """Stock firmware never comes to boot.py then: no update writes to vfs, so that none can do this, and nothing else is lost."""
    rig = board(on=False)
    vfs = rig.board.partition("vfs")
    rig.board.flash.poke(rig.address("vfs"), bytes(len(vfs)))
    rig.board.power_on()
    rig.board.wait("appears to be corrupted")
    assert rig.all("boot") == []
    rig.board.power_off()
    assert set(versions(rig).values()) == {"1.0.0"}
    rig.board.flash.poke(rig.address("vfs"), vfs)  # by cable
    rig.board.power_on()
    runs(rig)


# Power cuts


@pytest.mark.powerloss
def test_what_a_power_cut_leaves_of_a_set(board: Board, tmp_path: Path, micropython32: MicroPython, every: bool) -> None:
    """The flash operations of an update with a firmware are those of DESIGN's table; cut inside each, the boot is as it says."""
    rows = tables(ROOT / "docs" / "DESIGN.md")["Flash: a set with a firmware"]
    rig = board()
    places = {label: rig.address(label) for label in ("journal", "otadata")}
    flash = rig.board.flash
    steps: list[str] = []
    cuts: list[Path] = []

    def watched(operation: str, original: Callable[..., None]) -> Callable[..., None]:
        def run(at: int, data: Any = SECTOR) -> None:
            place = next((label for label, start in places.items() if start <= at < start + 2 * SECTOR), None)
            if place:
                erased = operation == "erase"
                size = SECTOR if erased else len(data)
                what = "a sector" if erased else "a mark" if size == 1 else "an entry" if place == "otadata" else "a record"
                steps.append(f"{operation} {what}, {place}")
                done = b"\xff" * SECTOR if erased else bytes(data[: size // 10])
                cut = bytearray(flash.peek(0, flash.size))
                cut[at : at + len(done)] = done
                cuts.append(tmp_path / f"cut{len(cuts)}.bin")
                cuts[-1].write_bytes(cut)
            original(at, data)

        return run

    flash.erase = watched("erase", flash.erase)  # type: ignore[method-assign]
    flash.program = watched("program", flash.program)  # type: ignore[method-assign]
    publish(rig, [planes.system("2.0.0", micropython32), planes.config("1.1.0", level=2)])
    rig.board.wait("confirmed .*name=firmware")
    rig.board.power_off()
    assert steps == [f"{row['operation']}, {row['where']}" for row in rows]
    for row, cut in list(zip(rows, cuts, strict=True))[:: 1 if every else 4]:
        rig.load(cut)
        rig.board.power_on()
        assert rig.wait("boot")["action"] == row["next boot"], row
        assert rig.board.running is not None
        assert rig.board.running.version == {"old": "1.25.0", "new": "2.0.0"}[row["firmware"]], row
        rig.board.wait("confirmed .*name=firmware")
        assert (versions(rig)["firmware"], versions(rig)["config"], frozen(rig)) == ("2.0.0", "1.1.0", [])
        rig.board.power_off()


# By cable


CABLE = """
import os, mulligan


class Body:
    tag = ""

    def __init__(self, file, size):
        self.size = size
        self.read = file.read
        self.readinto = file.readinto
        self.close = file.close

    def skip(self, buf):
        return False


class Files:
    def get(self, url, start, limit, tag=""):
        from mulligan.core.errors import NotFound
        try:
            size = os.stat("/pushed/" + url)[6]
        except OSError:
            raise NotFound(url)
        file = open("/pushed/" + url, "rb")
        file.seek(start)
        return Body(file, size - start)


def before():
    mulligan.take(Files())


def within():
    pass
"""


def test_a_release_by_cable(tmp_path: Path, micropython32: MicroPython) -> None:
    """A board without a network takes a release from whatever has get(): here, files that lie in vfs."""
    signer, directory = keys.create(tmp_path / "key.pem"), release.Directory(tmp_path / "releases")
    directory.build(release.Order([planes.config("1.1.0", level=2)], [BOARD], HEALTH, "2.0.0"))
    directory.sign("2.0.0", signer)
    found = {path.relative_to(directory.path).as_posix(): path for path in directory.path.rglob("*") if path.is_file()}
    setup = provision.Setup(
        BOARD,
        ceremony.first([keys.Signer.generate()], [signer.public]),
        rigs.image("1.0.0"),
        files={f"pushed/{name}": path.read_bytes() for name, path in found.items()},
        parts=[planes.app(tmp_path, "1.0.0", CABLE), planes.config("1.0.0", level=1)],
    )
    provision.virtual_flash(tmp_path / "flash.bin", setup, micropython32)
    with VirtualBoard(tmp_path / "flash.bin", [micropython32]) as board:
        board.power_on()
        board.wait("^app: version=1.0.0 model=1.0.0 config=1$")
        board.wait("^mulligan: confirmed .*name=config version=1.1.0$")
        board.wait("^app: version=1.0.0 model=1.0.0 config=2$")
