"""What the suite starts from: a board that runs the digits model 1.0.0 under Mulligan, flashed and installed by the tools."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mulligan_host.hil.board import Board, Outcome
from mulligan_host.hil.releases import Releases

MODELS = Path(__file__).parents[2] / "models"
NAME = "digits"
READY = r'Type "help\(\)"'
APP = """
import machine
import mulligan
from mulligan.core.errors import NotAvailable


def on_trial():
    return any(entry["trial"] for entry in mulligan.status()["artifacts"])


FAULT
served = None
while True:
    try:
        with mulligan.model("digits") as m:
            m.invoke(bytes(64))
            version = m.version
    except NotAvailable:
        version = "nothing"
    if version != served:
        served = version
        print("app: serves", version)
    mulligan.step()
"""
Slot = Callable[..., Path]
RULES = {"correct": 14, "watchdog_ms": 8000, "attempts": 1}


@pytest.fixture(scope="session")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Slot:
    """Pack the digits model of a version, or another's under that version, once."""
    made: dict[str, Path] = {}
    packing = Releases(tmp_path_factory.mktemp("slots"), NAME)

    def pack(version: str, model: str = "") -> Path:
        if version not in made:
            made[version] = packing.pack(MODELS / f"{NAME}-{model or version}.tflite", NAME, version, MODELS / "golden.npz")
        return made[version]

    return pack


@pytest.fixture
def app(tmp_path: Path) -> Callable[..., Path]:
    """Write a main.py that does ``fault`` when it starts."""

    def write(fault: str = "") -> Path:
        path = tmp_path / "main.py"
        path.write_text(APP.replace("FAULT", fault))
        return path

    return write


_published: dict[str, Path] = {}


@pytest.fixture
def update(release: Releases, slot: Slot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release directory of 1.1.0, which is good; made once."""
    key = str(release.key)
    if key not in _published:
        releases = Releases(tmp_path_factory.mktemp("update"), release.board, release.key)
        _published[key] = releases.publish("1.1.0", slot("1.1.0"), **RULES)
    return _published[key]


_saved: dict[tuple[str, str], bytes] = {}


@pytest.fixture
def ready(board: Board, release: Releases, slot: Slot, app: Callable[..., Path]) -> Board:
    """The board, with the digits model 1.0.0 confirmed and served. A virtual one is made so once, and then put back to it."""
    key = (board.port, str(release.public))
    if key in _saved:
        board.restore(_saved[key])
    else:
        board.erase()
        board.flash()
        board.reset()
        board.wait(READY)
        board.install(release.public, "--app", app())
        pushed = board.push(release.publish("1.0.0", slot("1.0.0"), correct=14))
        assert pushed["outcome"] == "confirmed"
        saved = board.save()
        if saved is None:
            return board
        _saved[key] = saved
    board.reset()
    board.wait("app: serves 1.0.0")
    return board


def plane(board: Board, name: str = NAME) -> dict[str, object]:
    """What the board's status says of one artifact."""
    found: dict[str, object] = next(entry for entry in board.status()["planes"] if entry["name"] == name)
    return found


def outcome(pushed: Outcome) -> str:
    """How a push ended."""
    ended: str = pushed.json["outcome"]
    return ended
