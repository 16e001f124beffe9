"""Releases over the cable: the device's own installer and its own checks, at the end of a serial line."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from host import planes, rig
from host.models import Command
from host.serialdesk import QUIET, Desk
from mulligan_host import ceremony, keys, provision, release
from mulligan_host.artifacts import Part
from mulligan_host.desk.report import Event, parse
from mulligan_host.micropython import MicroPython
from mulligan_host.virtual.flash import SIZE_4MB

pytestmark = QUIET
HEALTH = release.Health(correct=3)


class Fleet:
    """Releases, and a board on a cable that trusts their key and serves model 1.0.0."""

    def __init__(self, work: Path, mp: MicroPython, stack: ExitStack) -> None:
        self.directory = release.Directory(work / "releases")
        keys.create(work / "k.pem")
        self.signer = keys.load_signer(work / "k.pem")
        self._trusted = ceremony.first([keys.Signer.generate()], [keys.load_public(work / "k.pub.pem")])
        self._work, self._mp, self._stack = work, mp, stack
        self.publish("1.0.0")

    def publish(self, version: str, content: bytes | Sequence[Part] | None = None, signer: keys.Signer | None = None) -> None:
        health = HEALTH if isinstance(content, bytes | None) else planes.HEALTH
        order = release.Order(content or rig.image(version), ["virtual"], health, version)
        self.directory.build(order)
        self.directory.sign(version, signer or self.signer)

    def board(self, flash: bytes = b"", wall_watchdog: float = 5.0, told: dict[str, Any] | None = None, **options: Any) -> Desk:
        """A board with the content ``flash``, or a new one; ``told``: more of its Setup."""
        if not flash:
            setup = provision.Setup("virtual", self._trusted, rig.image("1.0.0"), files={"main.py": rig.app()}, **(told or {}))
            provision.virtual_flash(self._work / "new", setup, self._mp)
            flash = (self._work / "new").read_bytes()
        desk = self._stack.enter_context(Desk(self._work, self._mp, None, wall_watchdog=wall_watchdog, **options))
        desk.board.flash.program(0, flash)
        desk.board.power_on()
        desk.board.wait("serving")
        return desk


@pytest.fixture
def fleet(tmp_path: Path, micropython32: MicroPython) -> Iterator[Fleet]:
    with ExitStack() as stack:
        yield Fleet(tmp_path, micropython32, stack)


@pytest.fixture
def push(command: Command, tmp_path: Path) -> Callable[..., Any]:
    def run(desk: Desk, code: int = 0) -> Any:
        said = command("board", "push", tmp_path / "releases", "--port", desk.port, "--json", code=code)
        return said if code else json.loads(said)

    return run


def model(command: Command, desk: Desk) -> Any:
    (entry,) = [
        plane
        for plane in json.loads(command("board", "status", "--port", desk.port, "--json"))["planes"]
        if plane["plane"] == "model"
    ]
    return entry


def test_a_release_is_pushed_tried_and_confirmed(fleet: Fleet, push: Callable[..., Any], command: Command) -> None:
    """Then there is nothing new; and by hand it goes back to the version before."""
    fleet.publish("1.1.0")
    desk = fleet.board()
    said = push(desk)
    assert said["outcome"] == "confirmed"
    assert [event["event"] for event in said["events"]].count("installed") == 1
    found = model(command, desk)
    assert (found["version"], found["trial"], found["spare"]["version"]) == ("1.1.0", None, "1.0.0")
    assert push(desk)["outcome"] == "nothing new"
    said = command("board", "rollback", "model", "--port", desk.port)
    assert said == "digits is 1.0.0 again\n"
    assert model(command, desk)["version"] == "1.0.0"
    said = command("board", "rollback", "model", "--port", desk.port, code=1)
    assert "NotAvailable" in said
    assert desk.board.violations == []


def test_a_bad_release_goes_back(fleet: Fleet, push: Callable[..., Any], command: Command) -> None:
    fleet.publish("1.1.0", rig.with_wrong_outputs(rig.image("1.1.0")))
    desk = fleet.board()
    assert "digits 1.1.0 failed its trial" in push(desk, code=1)
    found = model(command, desk)
    assert (found["version"], found["frozen"]) == ("1.0.0", 1)
    assert "refused" in push(desk, code=1)
    errors = json.loads(command("board", "status", "--port", desk.port, "--json"))["errors"]
    assert [(e["event"], e["version"], e["error"]) for e in errors] == [("rolled-back", "1.1.0", None), ("refused", "", "Frozen")]
    said = command("board", "status", "--port", desk.port)
    assert re.search(r"error \d+, .*: rolled-back digits 1\.1\.0\nerror \d+, .*: refused: Frozen \(35\)\n", said)


def test_a_strangers_release_is_refused(fleet: Fleet, push: Callable[..., Any], command: Command) -> None:
    fleet.publish("1.1.0", signer=keys.Signer.generate())
    desk = fleet.board()
    assert "refused: JWS: signed by a key that is not pinned here" in push(desk, code=1)
    assert model(command, desk)["version"] == "1.0.0"


def test_a_board_in_recovery_takes_a_release_by_the_cable(fleet: Fleet, push: Callable[..., Any], tmp_path: Path) -> None:
    """Its app never runs, so the agent is alone: it installs, tries and confirms another app, and the board serves again."""
    desk = fleet.board(wall_watchdog=1.0, told={"parts": [planes.app(tmp_path, "1.0.0", planes.RAISES)], "watchdog_ms": 1000})
    desk.board.wait("^mulligan: recovery")
    fleet.publish("2.0.0", [planes.app(tmp_path, "1.1.0")])
    said = push(desk)
    assert said["outcome"] == "confirmed"
    assert [event["facts"]["name"] for event in said["events"] if event["event"] == "confirmed"] == ["app"]
    desk.board.wait(r"^app: version=1\.1\.0 ")
    assert desk.board.violations == []


def test_a_push_goes_on_where_the_cable_was_pulled(fleet: Fleet, push: Callable[..., Any]) -> None:
    """The line dies in the second of the patch's chunks; on another cable the next push starts at the last whole one."""
    fleet.publish("1.1.0", rig.image("1.1.0", "1.3.0-slow"))
    desk = fleet.board(rfc2217=True)

    def pull() -> None:
        assert desk.server
        desk.board.wait(r"more 4\d{4} ")
        desk.server.unplug()

    pulling = threading.Thread(target=pull)
    pulling.start()
    assert "plug the board in again" in push(desk, code=1)
    pulling.join()
    left = desk.peek(0, SIZE_4MB)
    desk.board.power_off()
    desk.__exit__(None, None, None)
    said = push(fleet.board(left))
    assert said["outcome"] == "confirmed"
    (installed,) = [event for event in said["events"] if event["event"] == "installed"]
    assert int(installed["facts"]["resumed"]) > 0


def test_reports_are_read_as_they_are_written() -> None:
    assert parse("mulligan: waiting code=60 ms=1000 reason=HTTP: link lost: a=b") == Event(
        "waiting", {"code": "60", "ms": "1000"}, "HTTP: link lost: a=b"
    )
    assert parse("mulligan: polled") == Event("polled", {})
    assert parse("app: version=1") is None
