"""Fixtures for tests of whole updates, and of commands that must refuse."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from host import planes
from host.models import Command
from host.refusals import Run, assert_error, tree
from host.rig import Rig
from host.serialdesk import Desk, MakeDesk
from mulligan_host.build import build_package
from mulligan_host.cli import main as cli_main
from mulligan_host.micropython import MicroPython

MakeRig = Callable[..., Rig]


@pytest.fixture
def make_rig(tmp_path: Path, micropythons: list[MicroPython]) -> Iterator[MakeRig]:
    """Make a Rig; each ends with the test, and fails it if a NOR rule was broken."""
    with ExitStack() as stack:
        made: list[Rig] = []

        def make(**options: Any) -> Rig:
            made.append(stack.enter_context(Rig(tmp_path / f"rig{len(made)}", micropythons, **options)))
            return made[-1]

        yield make


@pytest.fixture
def board(make_rig: MakeRig, tmp_path: Path) -> planes.Board:
    """Make a board whose app 1.0.0 and config 1.0.0 (level 1) run beside model 1.0.0, and switch it on."""

    def make(fault: str = "", files: dict[str, bytes] | None = None, on: bool = True, **told: Any) -> Rig:
        app = planes.app(tmp_path, "1.0.0", fault or planes.FINE, files=files)
        rig = make_rig(released=False, told={"parts": [app, planes.config("1.0.0", level=1)], **told})
        if on:
            rig.board.power_on()
            planes.runs(rig)
        return rig

    return make


@pytest.fixture
def make_desk(tmp_path: Path, micropython32: MicroPython) -> Iterator[MakeDesk]:
    """Make a board that is on; ``bare``: its firmware has no Mulligan."""
    with ExitStack() as stack:

        def make(files: dict[str, bytes] | None = None, *, bare: bool = False, **options: Any) -> Desk:
            empty = tmp_path / "empty"
            empty.mkdir(exist_ok=True)
            package = (lambda mp: empty) if bare else build_package
            desk = stack.enter_context(Desk(tmp_path, micropython32, files, package=package, **options))
            desk.board.power_on()
            return desk

        yield make


@pytest.fixture
def every(request: pytest.FixtureRequest) -> bool:
    """Whether to try every point of a power-loss test (``make powerloss``), or a sample of them."""
    return bool(request.config.getoption("markexpr") == "powerloss")


@pytest.fixture
def here(rights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of ``rights``, the module's own directory of right files; the command runs there."""
    root = tmp_path / "here"
    shutil.copytree(rights, root)
    monkeypatch.chdir(root)
    monkeypatch.delenv("MULLIGAN_DEBUG", raising=False)
    return root


@pytest.fixture
def fails(here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command that must fail as it should; return its one line."""

    def run(*arguments: str, code: int = 1) -> str:
        before = tree(here)
        monkeypatch.setattr(sys, "argv", ["mulligan", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli_main.main()
        said = capfd.readouterr()
        assert_error(ended.value.code, said.err, code)
        assert tree(here) == before
        return said.err

    return run


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command line in this process; it must end with exit code ``code``."""

    def run(*arguments: object, code: int = 0) -> str:
        monkeypatch.delenv("MULLIGAN_DEBUG", raising=False)
        monkeypatch.setattr(sys, "argv", ["mulligan", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli_main.main()
        said = capsys.readouterr()
        if not code:
            assert ended.value.code == 0, said.err
            return said.out
        assert_error(ended.value.code, said.err, code)
        return said.err

    return run
