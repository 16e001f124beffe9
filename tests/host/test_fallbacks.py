"""What there is behind a trial: going back by hand, recovery, and a damaged vfs."""

from pathlib import Path

import pytest

from host import planes
from host.planes import RAISES, Board, frozen, publish, runs, versions
from mulligan_host import filesystem, release
from mulligan_host.micropython import MicroPython

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
