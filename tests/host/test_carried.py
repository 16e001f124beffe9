"""A board whose app slots carry the device package: it is updated, tried and rolled back with the app."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from host import planes
from host.conftest import MakeRig
from host.rig import BOARD, BOOT_MS, Rig
from mulligan_host import release
from mulligan_host.artifacts import Part
from mulligan_host.micropython import MicroPython
from mulligan_host.resources import resource

HEALTH = release.Health(correct=0, attempts=2, deadline_ms=30000, watchdog_ms=30000, heap=0)
SAYS = "import mulligan\ndef before(): print('app: package', mulligan.__version__, mulligan.__path__)\ndef within(): pass\n"
PACKAGE = resource("firmware/mulligan")

Carrying = Callable[..., Part]
Board = Callable[..., Rig]


@pytest.fixture
def carrying(tmp_path: Path, micropython32: MicroPython) -> Carrying:
    """Make an app with a package in it: Mulligan's, with another version and ``instead`` for files of it."""

    def make(version: str, package: str = "", instead: dict[str, bytes] | None = None, fault: str = SAYS) -> Part:
        if not package:
            return planes.app(tmp_path, version, fault, arch=micropython32.arch, package=True)
        files = {f"mulligan/{path.relative_to(PACKAGE).as_posix()}": path.read_bytes() for path in PACKAGE.rglob("*.py")}
        init = files["mulligan/__init__.py"]
        files["mulligan/__init__.py"] = init.replace(b'__version__ = "0.1.0"', f'__version__ = "{package}"'.encode())
        assert files["mulligan/__init__.py"] != init
        return planes.app(tmp_path, version, fault, {**files, **(instead or {})}, micropython32.arch)

    return make


@pytest.fixture
def board(make_rig: MakeRig, carrying: Carrying) -> Board:
    """Make a board whose app slot carries app 1.0.0 and the package, and switch it on."""

    def make(**told: Any) -> Rig:
        boot = resource("firmware/carried/boot.py").read_bytes()
        rig = make_rig(released=False, carried=True, extra={"boot.py": boot}, told={"parts": [carrying("1.0.0")], **told})
        rig.board.power_on()
        rig.board.wait(r"^app: package 0\.1\.0 /package/mulligan$")
        rig.board.wait("^app: version=1.0.0 ")
        return rig

    return make


def publish(rig: Rig, part: Part, version: str, health: release.Health = HEALTH) -> None:
    rig.directory.build(release.Order([part], [BOARD], health, version, boot_ms=2 * BOOT_MS))
    rig.directory.sign(version, rig.signer)


def test_the_package_is_updated_with_the_app(board: Board, carrying: Carrying) -> None:
    """The trial runs the package on trial, also where the power fails before its start; after a power cycle it is what boots."""
    rig = board()
    rig.on_event = lambda line: rig.board.power_off() if line.startswith("mulligan: activated ") else None
    publish(rig, carrying("1.1.0", "0.1.1"), "2.0.0")
    rig.board.wait_off()
    rig.on_event = None
    rig.board.power_on()
    rig.board.wait(r"^app: package 0\.1\.1 ")
    rig.wait("confirmed")
    rig.board.power_off()
    rig.board.power_on()
    rig.board.wait(r"^app: package 0\.1\.1 ")
    rig.board.wait("^app: version=1.1.0 ")


BROKEN = (
    {"mulligan/__init__.py": b"__version__ = '0.1.1'\nraise ValueError('in the package')\n"},
    {"mulligan/startup.py": b"while True: pass\n"},
    {"mulligan/agent.py": b"raise MemoryError\n"},
)


@pytest.mark.powerloss
def test_a_package_that_does_not_boot_is_rolled_back(board: Board, carrying: Carrying, every: bool) -> None:
    """The one that is confirmed counts its starts, and goes back; the bound is held."""
    rig = board()
    slow = release.Health(0, attempts=2, deadline_ms=8000, watchdog_ms=8000, heap=0)
    for number, instead in enumerate(BROKEN if every else BROKEN[:1], 1):
        rig.events.clear()
        publish(rig, carrying(f"1.{number}.0", "0.1.1", instead), f"2.{number}.0", slow)
        assert "2 failed starts, the last by watchdog reset" in rig.wait("rolled-back")["reason"]
        rig.board.wait("^mulligan: serving .*name=app .*version=1.0.0$")
        rig.held_the_bound("^mulligan: serving .*name=app ")
        entry = rig.state().only("app")
        assert (entry.image.version, len(entry.frozen), entry.trial) == ("1.0.0", number, None)


def test_an_app_without_the_package_is_refused(board: Board, tmp_path: Path) -> None:
    rig = board()
    publish(rig, planes.app(tmp_path, "1.1.0"), "2.0.0")
    refused = rig.wait("refused")
    assert (refused["code"], "without the mulligan package" in refused["reason"]) == ("10", True)


@pytest.mark.powerloss
def test_a_damaged_slot_boots_from_the_other(board: Board, carrying: Carrying, every: bool) -> None:
    """Whatever of the confirmed slot is lost, the package before is there, and has the release installed again."""
    rig = board()
    publish(rig, carrying("1.1.0", "0.1.1"), "2.0.0")
    rig.wait("confirmed")
    for at in (0, 0x9000, 0x30000) if every else (0,):  # its superblock, and something of the package
        rig.board.power_off()
        for offset in range(at, at + 0x8000, 16):
            rig.board.flash.poke(rig.address("app_1") + offset, bytes(16))
        rig.board.power_on()
        rig.board.wait(r"^app: package 0\.1\.0 ")
        rig.board.wait(r"^app: package 0\.1\.1 ")
        rig.wait("confirmed")
        assert [e.image.version for e in rig.state().entries if e.plane == "app"] == ["1.1.0"]


@pytest.mark.powerloss
def test_a_power_cut_in_an_update_of_the_package(board: Board, carrying: Carrying, tmp_path: Path, every: bool) -> None:
    """Cut at flash operations of the update, inside each: old or new boots, and new is confirmed in the end."""
    if not every:
        pytest.skip("takes minutes: make powerloss")
    rig = board()
    rig.board.power_off()
    template = tmp_path / "template.bin"
    template.write_bytes(rig.path.read_bytes())
    publish(rig, carrying("1.1.0", "0.1.1"), "2.0.0")
    before = rig.operations()
    rig.board.power_on()
    rig.wait("confirmed")
    count = rig.operations() - before
    last = range(count - 8, count + 1)  # the records and marks, after hundreds of pieces of the image
    for operation in [*range(1, count - 8, 50), *last]:
        rig.load(template)
        rig.board.cut_power(operation)
        rig.board.power_on()
        assert "power cut" in rig.board.wait_off(), operation
        rig.events.clear()
        rig.board.power_on()
        rig.board.wait(r"^app: package 0\.1\.1 ")
        rig.board.wait("^app: version=1.1.0 ")
        while rig.state().on_trial():
            rig.wait("confirmed")
