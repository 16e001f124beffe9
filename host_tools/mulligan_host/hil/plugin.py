"""The pytest plugin: fixtures ``board``, ``boards``, ``release`` and ``power``. docs/guide/rig.md says how to use it.

Loaded by every pytest where `mulligan` is installed, so it imports nothing of ours before a fixture is asked for.
"""

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mulligan_host.hil.board import Board, Power
    from mulligan_host.hil.releases import Releases
    from mulligan_host.hil.rig import Spec

_RIG_FILES = ("rig.toml", "tests/hil/rig.toml")
_USED = pytest.StashKey["list[tuple[Board, Path]]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mulligan", "boards under test")
    group.addoption(
        "--board", action="append", default=[], metavar="BOARD",
        help="virtual, qemu, a port such as /dev/ttyUSB0 or rfc2217://HOST:PORT, or a board of the rig file; repeat for more. "
        "Without: the boards of the rig file, or a virtual one.",
    )  # fmt: skip
    group.addoption("--rig", default="", metavar="FILE", help="The rig file.  [default: rig.toml, or else tests/hil/rig.toml]")
    group.addoption("--firmware", default="", metavar="BIN", help="The combined .bin for boards that name none.")
    group.addoption("--board-timeout", type=float, default=600.0, metavar="S", help="How long to wait for boards in use.")
    group.addoption("--board-logs", default="", metavar="DIR", help="Where the serial log of each test is kept.")
    parser.addini("board_logs", "Where the serial log of each test is kept.", default=".hil")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "boards(n): the fixture `boards` gives n of them, in place of all")


def pytest_sessionstart(session: pytest.Session) -> None:
    """A --board that is not there ends the run before it begins."""
    wanted: list[str] = session.config.getoption("--board")
    if not wanted:
        return
    from mulligan_host.errors import HostError
    from mulligan_host.hil import rig

    try:
        rig.choose(wanted, _rig_file(session.config))
    except (HostError, OSError) as e:
        raise pytest.UsageError(str(e)) from None


def _rig_file(config: pytest.Config) -> Path:
    """The rig file that the options name, or the first that is there."""
    given: str = config.getoption("--rig")
    places = [config.rootpath / place for place in ([given] if given else _RIG_FILES)]
    return next((path for path in places if path.exists()), places[0])


class _Bench:
    """The boards that this process has brought up; they stay up to its end."""

    def __init__(self, config: pytest.Config, work: Callable[[str], Path]) -> None:
        from mulligan_host.hil import rig

        self._work = work
        self._stack = ExitStack()
        self._up: dict[str, Board] = {}
        self._timeout: float = config.getoption("--board-timeout")
        firmware: str = config.getoption("--firmware")
        chosen = rig.choose(config.getoption("--board"), _rig_file(config))
        self.specs = [spec if spec.firmware else _with_firmware(spec, firmware) for spec in chosen]

    def hold(self, count: int, stack: ExitStack) -> "list[Board]":
        """Return ``count`` boards, which are this process's until ``stack`` is closed."""
        from mulligan_host.hil import rig

        return [self._board(spec) for spec in stack.enter_context(rig.locked(self.specs, count, self._timeout))]

    def close(self) -> None:
        self._stack.close()

    def _board(self, spec: "Spec") -> "Board":
        from mulligan_host.hil import bench

        if spec.name not in self._up:
            work = self._work(re.sub(r"\W", "-", spec.name))
            self._up[spec.name] = self._stack.enter_context(bench.set_up(spec, work, pytest.skip))
        return self._up[spec.name]


def _with_firmware(spec: "Spec", firmware: str) -> "Spec":
    from dataclasses import replace

    return replace(spec, firmware=firmware)


@pytest.fixture(scope="session")
def _bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Bench]:
    bench = _Bench(request.config, lambda name: tmp_path_factory.mktemp(name))
    yield bench
    bench.close()


def _hold(request: pytest.FixtureRequest, bench: _Bench, count: int) -> "Iterator[list[Board]]":
    """Lend boards to a test, and keep what they say in its log."""
    logs = Path(request.config.getoption("--board-logs") or request.config.getini("board_logs"))
    directory = request.config.rootpath / logs
    with ExitStack() as stack:
        boards = bench.hold(count, stack)
        directory.mkdir(parents=True, exist_ok=True)
        used = request.node.stash.setdefault(_USED, [])
        for board in boards:
            log = directory / (re.sub(r"[^\w.-]+", "-", f"{request.node.nodeid}-{board.name}") + ".log")
            log.write_text("", encoding="utf-8")
            board.test = request.node.nodeid
            board.console.log_to(log)
            board.console.open()
            used.append((board, log))
            request.node.user_properties.append(("serial_log", str(log)))
        yield boards
        for board in boards:
            board.console.close()
            board.console.log_to(None)


@pytest.fixture
def boards(request: pytest.FixtureRequest, _bench: _Bench) -> "Iterator[list[Board]]":
    """All boards of the run, or as many as the marker ``boards`` says; no other test has them meanwhile."""
    marker = request.node.get_closest_marker("boards")
    yield from _hold(request, _bench, marker.args[0] if marker else len(_bench.specs))


@pytest.fixture
def board(request: pytest.FixtureRequest, _bench: _Bench) -> "Iterator[Board]":
    """A board of the run: the first that is free. It is as the test before left it."""
    if "boards" in request.fixturenames:
        yield request.getfixturevalue("boards")[0]
        return
    for held in _hold(request, _bench, 1):
        yield held[0]


@pytest.fixture
def power(board: "Board") -> "Power":
    """The supply of ``board``."""
    return board.power


@pytest.fixture(scope="session")
def _release_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mulligan_host import keys

    path = tmp_path_factory.mktemp("key") / "release.pem"
    keys.create(path)
    return path


@pytest.fixture
def release(_bench: _Bench, _release_key: Path, tmp_path: Path) -> "Releases":
    """A release directory of the test's own, signed by a key of the run: install the board with ``release.public``."""
    from mulligan_host.hil.releases import Releases

    return Releases(tmp_path / "release", _bench.specs[0].kind, _release_key)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for board, log in item.stash.get(_USED, []):
            if log.exists():
                report.sections.append((f"serial log of {board.name} ({log})", log.read_text(encoding="utf-8")))
    return report
