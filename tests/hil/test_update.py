"""Updates over the cable, on whatever board the run has: the good, the bad, and what comes between."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hil.conftest import READY, RULES, Slot, outcome, plane
from mulligan_host.hil.board import Board, Power
from mulligan_host.hil.releases import Releases

CRASH = "if on_trial(): machine.reset()"
HANG = "while on_trial(): pass"
BOOT_RAISES = """
import mulligan
if any(entry["trial"] for entry in mulligan.status()["artifacts"]):
    raise RuntimeError("user_boot.py gives up")
"""


def test_a_model(ready: Board, update: Path) -> None:
    pushed = ready.push(update)
    assert pushed["outcome"] == "confirmed"
    ready.reset()
    ready.wait("app: serves 1.1.0")
    assert plane(ready)["version"] == "1.1.0"


def test_a_bad_model(ready: Board, release: Releases, slot: Slot) -> None:
    pushed = ready.attempt("push", release.publish("1.2.0", slot("1.2.0", "1.2.0-bad"), **RULES))
    assert (pushed.code, outcome(pushed)) == (1, "rolled-back")
    assert plane(ready)["version"] == "1.0.0"
    ready.reset()
    ready.wait("app: serves 1.0.0")
    again = ready.attempt("push", release.directory)
    assert (again.code, outcome(again)) == (1, "refused")  # what failed here is frozen


@pytest.mark.parametrize("fault", [CRASH, HANG], ids=["crash", "hang"])
def test_an_app_that_fails_in_the_trial(
    ready: Board, release: Releases, update: Path, app: Callable[..., Path], fault: str
) -> None:
    ready.install(release.public, "--app", app(fault))
    pushed = ready.attempt("push", update)
    assert (pushed.code, outcome(pushed)) == (1, "rolled-back")
    assert plane(ready)["version"] == "1.0.0"


def test_an_exception_in_boot_py(ready: Board, update: Path) -> None:
    ready.exec(f"with open('user_boot.py', 'w') as f: f.write({BOOT_RAISES!r})")
    ready.reset()
    ready.wait("app: serves 1.0.0")
    pushed = ready.attempt("push", update)
    assert (pushed.code, outcome(pushed)) == (1, "rolled-back")
    ready.reset()
    ready.wait("app: serves 1.0.0")


def test_power_lost_in_mid_push(ready: Board, update: Path, power: Power) -> None:
    """Inside a flash operation, on a board that can; the version before goes on, and the next push ends the work."""
    power.cut(after=5)
    assert ready.attempt("push", update).code == 1
    power.wait_off()
    power.on()
    ready.wait("app: serves 1.0.0")
    assert ready.push(update)["outcome"] == "confirmed"


def test_a_forced_rollback(ready: Board, update: Path) -> None:
    assert ready.push(update)["outcome"] == "confirmed"
    ready.rollback("model")
    ready.reset()
    ready.wait("app: serves 1.0.0")


def test_a_stranger_is_refused(ready: Board, slot: Slot, tmp_path: Path) -> None:
    stranger = Releases(tmp_path / "stranger", ready.spec.kind)
    pushed = ready.attempt("push", stranger.publish("1.1.0", slot("1.1.0"), **RULES))
    assert (pushed.code, outcome(pushed)) == (1, "refused")
    assert plane(ready)["version"] == "1.0.0"


def test_a_layout_is_changed_only_where_that_is_asked_for(ready: Board) -> None:
    ready.exec("with open('precious.txt', 'w') as f: f.write('data')")
    other = "4mb-ota"
    refused = ready.attempt("flash", ready.firmware, "--board", ready.spec.kind, "--layout", other)
    assert refused.code == 1
    assert "--erase-moved" in refused.error
    ready.reset()
    ready.wait("app: serves 1.0.0")
    assert ready.exec("print(open('precious.txt').read())").split() == ["data"]
    ready.mulligan("flash", ready.firmware, "--board", ready.spec.kind, "--layout", other, "--erase-moved")
    ready.reset()
    ready.wait(READY)
    assert "precious.txt" not in ready.exec("import os; print(os.listdir())")
