"""Sets of several planes on a virtual board: confirmed together, watched live, taken back together."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from host import planes
from host.documents import ROOT, tables
from host.planes import RAISES, Board, comes_back, everything, frozen, publish, runs, versions
from mulligan_host import release
from mulligan_host.micropython import MicroPython
from mulligan_host.virtual.flash import SECTOR

# Sets


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


def test_shadow_runs_beside_an_app_are_refused(board: Board, tmp_path: Path) -> None:
    """From the reset on the set alone is in service: there is nothing to compare with."""
    rig = board()
    health = release.Health(0, deadline_ms=4000, watchdog_ms=2000, heap=0, shadow_runs=4)
    publish(rig, [planes.app(tmp_path, "1.1.0"), planes.model("1.1.0")], health=health)
    refused = rig.wait("refused")
    assert "shadow_runs: beside a firmware or an app" in refused["reason"]
    assert (versions(rig), rig.all("activated")) == ({"model": "1.0.0", "app": "1.0.0", "config": "1.0.0"}, [])


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
