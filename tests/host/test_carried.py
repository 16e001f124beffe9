"""A board whose app slots carry the device package: it is updated, tried and rolled back with the app."""

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from host import planes
from host.conftest import MakeRig
from host.rig import BOARD, BOOT_MS, Rig
from mulligan.core import starts
from mulligan.core.state import Image, encode
from mulligan_host import build, release
from mulligan_host.artifacts import Part
from mulligan_host.micropython import MicroPython
from mulligan_host.resources import resource
from mulligan_host.virtual.flash import SECTOR

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
        init = (PACKAGE / "__init__.py").read_bytes()
        changed = {
            "__init__.py": init.replace(b'__version__ = "0.1.0"', f'__version__ = "{package}"'.encode()),
            **(instead or {}),
        }
        assert changed["__init__.py"] != init
        kept = {name: data for name, data in built().items() if name.replace(".mpy", ".py") not in changed}
        files = {f"mulligan/{name}": data for name, data in {**kept, **changed}.items()}
        return planes.app(tmp_path, version, fault, files, micropython32.arch)

    @cache
    def built() -> dict[str, bytes]:
        return build.package(micropython32.arch)

    return make


@pytest.fixture
def board(make_rig: MakeRig, carrying: Carrying) -> Board:
    """Make a board whose app slot carries app 1.0.0 and the package, and switch it on."""

    def make(**told: Any) -> Rig:
        rig = make_rig(released=False, carried=True, told={"parts": [carrying("1.0.0")], **told})
        rig.board.power_on()
        rig.board.wait(r"^app: package 0\.1\.0 /package/mulligan$")
        rig.board.wait("^app: version=1.0.0 ")
        return rig

    return make


def publish(rig: Rig, part: Part, version: str, health: release.Health = HEALTH) -> None:
    rig.directory.build(release.Order([part], [BOARD], health, version, boot_ms=2 * BOOT_MS))
    rig.directory.sign(version, rig.signer)


def spoil(rig: Rig, label: str, at: int) -> None:
    """Lose what the first 32 KiB of the slot from ``at`` on hold."""
    for offset in range(at, at + 0x8000, 16):
        rig.board.flash.poke(rig.address(label) + offset, bytes(16))


def comes_back(rig: Rig) -> None:
    """A lost part of app_1 has the package before boot, and the release installed again."""
    rig.board.power_on()
    rig.board.wait(r"^app: package 0\.1\.0 ")
    rig.board.wait(r"^app: package 0\.1\.1 ")
    rig.wait("confirmed")
    assert [e.image.version for e in rig.state().entries if e.plane == "app"] == ["1.1.0"]


def test_the_package_is_updated_with_the_app(board: Board, carrying: Carrying) -> None:
    """The trial runs the package on trial. The power fails inside the record that activates it, inside what boot.py counts, and
    inside the mark of its start; then its slot is damaged, and the package before boots."""
    rig = board()
    cuts = ["mulligan: installed ", "mulligan: activated "]
    rig.on_event = lambda line: rig.board.cut_power(1) if cuts and line.startswith(cuts[0]) and cuts.pop(0) else None
    publish(rig, carrying("1.1.0", "0.1.1"), "2.0.0")
    for label in ("journal", "starts", "journal"):
        at = rig.board.wait(r"^board: power cut .* at 0x\w+").split(" at 0x")[1].split()[0]
        assert 0 <= int(at, 16) - rig.address(label) < len(rig.board.partition(label))
        rig.board.wait_off()
        if label == "starts":
            rig.board.cut_power(2)  # after an event
        rig.board.power_on()
    rig.board.wait(r"^app: package 0\.1\.1 ")
    rig.wait("confirmed")
    rig.board.power_off()
    rig.board.power_on()
    rig.board.wait(r"^app: package 0\.1\.1 ")
    rig.board.wait("^app: version=1.1.0 ")
    rig.board.power_off()
    spoil(rig, "app_1", 0)
    comes_back(rig)


BROKEN = (
    {"__init__.py": b"__version__ = '0.1.1'\nraise ValueError('in the package')\n"},
    {"startup.py": b"while True: pass\n"},
    {"agent.py": b"raise MemoryError\n"},
)


def goes_back(rig: Rig, carrying: Carrying, number: int, instead: dict[str, bytes]) -> None:
    """A package on trial does not boot: the one that is confirmed counts its starts, and goes back; the bound is held."""
    rig.events.clear()
    slow = release.Health(0, attempts=2, deadline_ms=8000, watchdog_ms=8000, heap=0)
    frozen = len(rig.state().only("app").frozen)
    publish(rig, carrying(f"1.{number}.0", "0.1.1", instead), f"2.{number}.0", slow)
    assert "2 failed starts, the last by watchdog reset" in rig.wait("rolled-back")["reason"]
    rig.board.wait("^mulligan: serving .*name=app .*version=1.0.0$")
    rig.held_the_bound("^mulligan: serving .*name=app ")
    entry = rig.state().only("app")
    assert (entry.image.version, len(entry.frozen), entry.trial) == ("1.0.0", frozen + 1, None)


@pytest.mark.powerloss
def test_a_package_that_does_not_boot_is_rolled_back(board: Board, carrying: Carrying, every: bool) -> None:
    if not every:
        pytest.skip("one of them below; all: make powerloss")
    rig = board()
    for number, instead in enumerate(BROKEN, 1):
        goes_back(rig, carrying, number, instead)


HANGS = b"import machine\nwhile True: machine.virtual.idle(1000)\n"


def put(rig: Rig, label: str, content: bytes) -> None:
    """Write ``content`` to the start of a partition."""
    for offset in range(0, len(content), SECTOR):
        rig.board.flash.erase(rig.address(label) + offset)
        rig.board.flash.program(rig.address(label) + offset, content[offset : offset + SECTOR])


def test_a_package_that_hangs_at_its_import_gives_way_to_the_one_before(make_rig: MakeRig, carrying: Carrying) -> None:
    """boot.py counts its starts before it imports anything, and after three it tries what the other slot holds. One that does not
    boot on trial is rolled back."""
    before, hangs = carrying("1.0.0"), carrying("1.1.0", "0.1.1", {"agent.py": HANGS})
    rig = make_rig(released=False, carried=True, told={"parts": [hangs]})
    state = rig.state()
    state.only("app").spare = Image(len(before.content), 1, "1.0.0", sha256(before.content).digest(), {}, before.mpy)
    put(rig, "app_1", before.content)
    put(rig, "journal", encode(state, 2))
    rig.board.power_on()
    assert rig.wait("fell-back")["reason"] == "its package does not boot"
    rig.board.wait(r"^app: package 0\.1\.0 ")
    rig.board.wait("^app: version=1.0.0 ")
    assert [cause for cause, _ in rig.board.resets] == [1, 3, 3, 3, 3, 2]
    entry = rig.state().only("app")
    assert (entry.image.version, len(entry.frozen), entry.spare) == ("1.0.0", 1, None)
    held = rig.board.partition("starts")[:128]
    marks = {starts.STARTED: "s", starts.CAME_UP: "u", b"\xff" * starts.BLOCK: "."}
    assert "".join(marks[held[at : at + starts.BLOCK]] for at in range(0, 128, starts.BLOCK)) == "ssssusu."
    goes_back(rig, carrying, 2, BROKEN[0])


def test_the_other_slot_is_only_booted_if_it_holds_what_was_verified(board: Board, carrying: Carrying) -> None:
    """A package that is there but was never verified, as in a download that ended half-way, is never imported."""
    rig = board()
    rig.board.power_off()
    other = carrying("1.1.0", "0.1.1").content
    put(rig, "app_0", bytes(SECTOR))
    put(rig, "app_1", other)
    rig.board.power_on()
    rig.board.wait("^RuntimeError: no app slot carries a package that boots")
    rig.board.wait("^board: .*watchdog")
    assert not any("package 0.1.1" in line for _, line in rig.events)


def test_an_app_without_the_package_is_refused(board: Board, tmp_path: Path) -> None:
    rig = board()
    publish(rig, planes.app(tmp_path, "1.1.0"), "2.0.0")
    refused = rig.wait("refused")
    assert (refused["code"], "without the mulligan package" in refused["reason"]) == ("10", True)


@pytest.mark.powerloss
def test_a_damaged_slot_boots_from_the_other(board: Board, carrying: Carrying, every: bool) -> None:
    """Whatever of the confirmed slot is lost, the package before is there, and has the release installed again."""
    if not every:
        pytest.skip("its superblock above; the package: make powerloss")
    rig = board()
    publish(rig, carrying("1.1.0", "0.1.1"), "2.0.0")
    rig.wait("confirmed")
    for at in (0x9000, 0x30000):
        rig.board.power_off()
        spoil(rig, "app_1", at)
        comes_back(rig)


@pytest.mark.powerloss
def test_a_power_cut_in_an_update_of_the_package(board: Board, carrying: Carrying, tmp_path: Path, every: bool) -> None:
    """Cut at flash operations of the update, inside each: old or new boots, and new is confirmed in the end."""
    if not every:
        pytest.skip("inside two of them above; all: make powerloss")
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
