"""``mulligan model run --on board --port``: on a board on a cable, here the virtual board's serial line, what a host gives."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common import rules
from core.flash import SECTOR, Flash
from host import shared_models
from host.models import Command
from host.serialdesk import LAYOUT, QUIET, READY, TICKING, MakeDesk
from mulligan.core.journal import Journal
from mulligan.core.state import Entry, Image
from mulligan_host import cable_run
from mulligan_host.build import build_package
from mulligan_host.cable_run import MODEL
from mulligan_host.desk.link import Link
from mulligan_host.errors import HostError
from mulligan_host.micropython import MicroPython
from mulligan_host.models.run import Job
from mulligan_host.models.samples import input_size
from mulligan_host.models.source import read_model
from mulligan_host.partitions import find, read_csv
from mulligan_host.resources import resource

pytestmark = QUIET
DIGITS = resource("models/digits-1.0.0.tflite")
COUNT = 3


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    """Inputs of digits."""
    path = tmp_path / "x"
    path.write_bytes(bytes(i * 37 % 251 for i in range(COUNT * 64)))
    return path


@pytest.fixture
def run_model(tmp_path: Path, command: Command) -> Callable[..., dict[str, Any]]:
    """Run the command with ``--json``; its figures and, as ``outputs``, what it wrote."""

    def run(*arguments: object) -> dict[str, Any]:
        out = tmp_path / "y"
        return {**json.loads(command("model", "run", *arguments, "--out", out, "--json")), "outputs": out.read_bytes()}

    return run


def test_the_bytes_of_the_host(
    make_desk: MakeDesk, vectors: Path, run_model: Callable[..., dict[str, Any]], micropython32: MicroPython
) -> None:
    """And its counts; the board keeps its files, partitions and program; a model may come after another."""
    desk = make_desk({"main.py": TICKING})
    desk.board.wait("main begins")
    files, above = desk.files(), desk.board.partition("journal") + desk.board.partition("model_0")
    here = run_model(DIGITS, "--inputs", vectors, "--stream", 700)
    there = run_model(DIGITS, "--inputs", vectors, "--stream", 700, "--on", "board", "--port", desk.port)
    same = ("outputs", "vectors", "macs", "reads", "bytes_read", "load_bytes", "arena")
    assert [there[name] for name in same] == [here[name] for name in same]
    assert (there["on"], there["clock"]) == (f"board at {desk.port}", "wall")
    assert there["kernels"] == ("viper" if micropython32.arch else "plain")
    assert there["arena"] < there["peak_heap"] < there["heap"]
    assert there["ns_per_mac"] > 0
    desk.board.wait("main begins")
    assert desk.files() == files
    assert desk.board.partition("journal") + desk.board.partition("model_0") == above


@pytest.mark.parametrize(("name", "options"), [("micro_speech_quantized", ("--fresh",)), ("mnist_lstm_int8", ())])
def test_real_models(
    name: str, options: tuple[str, ...], make_desk: MakeDesk, tmp_path: Path, run_model: Callable[..., dict[str, Any]]
) -> None:
    """One with inputs of several pieces; one that remembers, but not what was run to see the heap."""
    model = shared_models.MODELS / f"{name}.tflite"
    if not model.is_file():
        pytest.skip(f"no {model.name} in ../shared/models")
    vectors = tmp_path / "x"
    vectors.write_bytes(bytes(i * 89 % 253 for i in range(2 * input_size(read_model(model)[1]))))
    desk = make_desk({})
    desk.board.wait(READY)
    there = run_model(model, "--inputs", vectors, *options, "--on", "board", "--port", desk.port)
    assert there["outputs"] == run_model(model, "--inputs", vectors, *options)["outputs"]
    assert desk.files() == {}


def test_a_light_install(
    make_desk: MakeDesk, tmp_path: Path, vectors: Path, run_model: Callable[..., dict[str, Any]], micropython32: MicroPython
) -> None:
    """The package is in vfs too; no partition of Mulligan's is needed."""
    table = tmp_path / "table.csv"
    table.write_text("nvs,data,nvs,0x9000,16K\notadata,data,ota,,8K\nota_0,app,ota_0,,64K\nvfs,data,fat,,1M\n")
    built = build_package(micropython32)
    package = {f"lib/{path.relative_to(built)}": path.read_bytes() for path in built.rglob("*.mpy")}
    desk = make_desk(package, bare=True, layout=table, wall_watchdog=20.0)
    desk.board.wait(READY)
    there = run_model(DIGITS, "--inputs", vectors, "--on", "board", "--port", desk.port)
    assert there["outputs"] == run_model(DIGITS, "--inputs", vectors)["outputs"]


def test_nothing_is_left_behind(make_desk: MakeDesk, vectors: Path, monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    """By a run that ends in the middle; nor by the one before, whose cable was pulled."""
    desk = make_desk({f"{MODEL[1:]}.new": b"half of it"})
    desk.board.wait(READY)
    seen = []

    def lost(link: Link, job: Job) -> bytes:
        seen.append(link.execute("import os; print(os.listdir('/'))"))
        raise HostError("lost")

    monkeypatch.setattr(cable_run, "_outputs", lost)
    said = command("model", "run", DIGITS, "--inputs", vectors, "--on", "board", "--port", desk.port, "--out", "y", code=1)
    assert "lost" in said
    assert [MODEL[1:] in names for names in seen] == [True]
    assert desk.files() == {}


def test_without_room(make_desk: MakeDesk, vectors: Path, command: Command) -> None:
    """What is missing is said before anything is written."""
    desk = make_desk({"data.bin": b"x" * 300_000})
    desk.board.wait(READY)
    before = desk.files()
    said = command("model", "run", DIGITS, "--inputs", vectors, "--on", "board", "--port", desk.port, "--out", "y", code=1)
    assert re.search(r": vfs has \d+ KiB too little free for this model: remove files$", said.strip())
    assert desk.files() == before


def test_without_mulligan(make_desk: MakeDesk, vectors: Path, command: Command) -> None:
    desk = make_desk({}, bare=True)
    desk.board.wait(READY)
    said = command("model", "run", DIGITS, "--inputs", vectors, "--on", "board", "--port", desk.port, "--out", "y", code=1)
    assert "Mulligan is not on this board: mulligan board install" in said
    assert desk.files() == {}


def test_while_a_version_is_on_trial(make_desk: MakeDesk, vectors: Path, command: Command) -> None:
    """It is not disturbed by a soft reset and by a model beside it."""
    row = find(read_csv(LAYOUT), "journal")
    flash = Flash(row.size // SECTOR)
    journal = Journal(flash)
    journal.state.entries.append(Entry("model", "digits", 0))
    journal.state.entries[0].begin(Image(1, 1, "1.0.0", bytes(32), {}, 0), 1, rules())
    journal.commit()
    desk = make_desk({})
    desk.board.wait(READY)
    desk.board.flash.program(row.offset, bytes(flash.data))
    said = command("model", "run", DIGITS, "--inputs", vectors, "--on", "board", "--port", desk.port, "--out", "y", code=1)
    assert "a version is on trial there" in said
    assert (desk.board.partition("journal"), desk.files()) == (bytes(flash.data), {})


@pytest.mark.parametrize(
    ("options", "why"),
    [(("--on", "unix"), "--port is for --on board"), (("--on", "board", "--heap", "64k"), "--heap is for virtual boards")],
)
def test_a_wrong_command_line(options: tuple[str, ...], why: str, vectors: Path, command: Command) -> None:
    said = command("model", "run", DIGITS, "--inputs", vectors, *options, "--port", "/dev/null", "--out", "y", code=2)
    assert why in said
