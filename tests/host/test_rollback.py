"""Every way a model on trial can fail: the old version is back within the stated bound, and is blamed only for its own faults."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from host.conftest import MakeRig
from host.rig import HEALTH, Rig, image, with_arena, with_wrong_outputs
from mulligan.core import manifest
from mulligan.core.state import MARKS, RECORD, STARTS
from mulligan_host.release import Health
from mulligan_host.server import Fault

WATCHED = Health(correct=HEALTH.correct, attempts=2, deadline_ms=3000, watchdog_ms=1000)
"""For hangs: the watchdog's second is also one of the wall clock."""

# Prelude of main.py: from here on, whatever is loaded is a version on trial, and fails in its own way.
CANDIDATE = """
import machine
from mulligan.engines import builtin

load = builtin.load


class Candidate:
    def __init__(self, engine):
        self.engine = engine
        self.input = engine.input
        self.output = engine.output
        self.describe = engine.describe
        self.bind = engine.bind
        self.reset = engine.reset
        self.runs = 0

    def invoke(self):
        self.runs += 1
        if self.runs == 2:
            {fault}
        self.engine.invoke()


builtin.load = lambda *args, **options: Candidate(load(*args, **options))
"""
ON_TRIAL = "any(a['trial'] for a in mulligan.status()['artifacts'])"


def candidate(fault: str) -> str:
    return CANDIDATE.format(fault=fault)


def publish(rig: Rig, content: bytes | None = None, health: Health = HEALTH) -> manifest.Manifest:
    return rig.publish("1.1.0", content, health=health)


def publish_and_cut(rig: Rig) -> None:
    """Publish, and cut the power as soon as the version is on trial."""
    rig.on_event = lambda line: rig.board.power_off() if line.startswith("mulligan: activated ") else None
    publish(rig)
    rig.board.wait_off()
    rig.on_event = None


@contextmanager
def rolls_back(rig: Rig, frozen: bool) -> Iterator[None]:
    """What is published inside is activated, fails, and leaves 1.0.0 serving within the bound."""
    before = rig.entry()
    sequence = rig.state().sequence
    slot = rig.board.partition("model_0")
    yield
    rig.wait("rolled-back")
    rig.now("1.0.0")
    rig.held_the_bound(r"^app: version=1\.0\.0 ")
    built = rig.directory.releases()[-1]
    entry = rig.entry()
    assert entry.frozen == ([built.artifacts[0].sha256[:8]] if frozen else [])
    assert (entry.image, entry.slot, entry.floor, entry.trial) == (before.image, before.slot, before.floor, None)
    assert rig.state().sequence == sequence
    assert rig.board.partition("model_0") == slot
    versions = {line for _, line in rig.events if line.startswith("app: ")}
    assert all(line.startswith("app: version=1.0.0 ") for line in versions)  # never a moment of 1.1.0, nor of nothing


def reason(rig: Rig) -> str:
    return rig.all("rolled-back")[-1]["reason"]


def causes(rig: Rig) -> list[int]:
    return [cause for cause, _ in rig.board.resets]


def stays_frozen(rig: Rig) -> None:
    """After a reboot its content is refused without a download, and under another name too."""
    done = len(rig.web.requests)
    assert rig.restart() == "1.0.0"
    assert rig.wait("refused")["code"] == "35"
    payload = {**rig.payload("1.1.0"), "release": "9.9.9", "sequence": 99}
    payload["artifacts"][0].update(version="9.9.9", counter=99)
    with rig.unchanged():
        rig.forge(payload)
        assert rig.wait("refused")["code"] == "35"
    assert not [request for request in rig.web.requests[done:] if "/artifacts/" in request.path]


# By its verdict


def test_wrong_golden_output(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.on()
    with rolls_back(rig, frozen=True):
        publish(rig, with_wrong_outputs(image("1.1.0")))
    assert reason(rig) == "golden: vector 4 of 4: wrong output"
    assert causes(rig) == [1]
    stays_frozen(rig)


def test_too_few_right_labels(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.on()
    with rolls_back(rig, frozen=True):
        publish(rig, image("1.1.0", model="1.2.0-bad"))
    assert reason(rig) == "correct: 0 of 1 golden vectors right, 4 needed"


def test_too_slow(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.on()
    with rolls_back(rig, frozen=True):
        publish(rig, image("1.1.0", model="1.3.0-slow"), Health(4, latency_us=60000, heap=8192))
    assert re.fullmatch(r"latency_us: \d+ us for an inference, 60000 allowed", reason(rig))


def test_no_verdict_within_the_deadline(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.on()
    with rolls_back(rig, frozen=True):
        publish(rig, image("1.1.0", model="1.3.0-slow"), Health(4, deadline_ms=300, watchdog_ms=4000, heap=8192))
    assert reason(rig) == "deadline_ms: no verdict within 300 ms"


# By an exception, a hang, a reset


@pytest.mark.parametrize("error", ["ValueError('broken')", "OSError(5)"])
def test_an_exception_in_inference(make_rig: MakeRig, error: str) -> None:
    rig = make_rig(prelude=candidate(f"raise {error}"))
    rig.on()
    with rolls_back(rig, frozen=True):
        publish(rig)
    assert reason(rig).startswith(error.split("(")[0])
    assert causes(rig) == [1]


def test_memory_that_runs_out_in_inference(make_rig: MakeRig) -> None:
    rig = make_rig(prelude=candidate("bytearray(1 << 20)"))
    rig.on()
    with rolls_back(rig, frozen=True):
        publish(rig)
    assert reason(rig).startswith("MemoryError: ")


def test_a_model_too_large_for_the_heap(make_rig: MakeRig) -> None:
    """It gets a second shot from a reset, with the heap in one piece, and no third."""
    rig = make_rig()
    rig.on()
    with rolls_back(rig, frozen=True):
        publish(rig, with_arena(image("1.1.0"), 100_000))
    assert reason(rig).startswith("MemoryError: ")
    assert len(rig.all("resetting")) == 1
    assert causes(rig) == [1, 2]


def test_an_endless_loop_in_inference(make_rig: MakeRig) -> None:
    rig = make_rig(prelude=candidate("\n            while True: pass"))
    rig.on()
    with rolls_back(rig, frozen=True):
        publish(rig, health=WATCHED)
    assert reason(rig) == "2 failed starts, the last by watchdog reset"
    assert causes(rig) == [1, 3, 3]
    stays_frozen(rig)


def test_a_reset_loop(make_rig: MakeRig) -> None:
    rig = make_rig(prelude=candidate("machine.reset()"))
    rig.on()
    with rolls_back(rig, frozen=True):
        publish(rig)
    assert causes(rig) == [1, 2, 2]


def test_an_interpreter_that_dies(make_rig: MakeRig) -> None:
    rig = make_rig(prelude=candidate("import os; os.system('kill -9 $PPID')"))
    rig.on()
    with rolls_back(rig, frozen=True):
        publish(rig)
    assert causes(rig) == [1, 2, 2]  # as a panic


def test_one_bad_start_is_forgiven(make_rig: MakeRig) -> None:
    """With two attempts, a version that fails its first start and passes the second is confirmed."""
    first = "\n            if machine.RTC().memory() != b'tried': machine.RTC().memory(b'tried'); machine.reset()"
    rig = make_rig(prelude=candidate(first))
    rig.on()
    publish(rig)
    rig.wait("confirmed")
    assert causes(rig) == [1, 2]
    assert rig.entry().frozen == []


# By the code around it


def test_an_exception_in_user_boot_during_a_trial(make_rig: MakeRig) -> None:
    boot = f"import mulligan\nif {ON_TRIAL}: raise ValueError('in boot.py')"
    rig = make_rig(prelude=candidate("machine.reset()"), extra={"user_boot.py": boot.encode()})
    rig.on()
    with rolls_back(rig, frozen=True):
        publish(rig)
    assert causes(rig) == [1, 2, 3]  # the board does not stay at the REPL


def test_an_exception_in_main_during_a_trial(make_rig: MakeRig) -> None:
    rig = make_rig(prelude=f"async def app():\n    while True:\n        assert not {ON_TRIAL}\n        await asyncio.sleep(0)")
    rig.board.power_on()
    rig.wait("serving")
    publish(rig)
    rig.wait("rolled-back")
    rig.wait("serving")
    assert causes(rig) == [1, 3, 3]
    assert rig.version() == "1.0.0"
    rig.held_the_bound("^mulligan: serving ")


def test_an_exception_in_main_before_the_trial_has_started(make_rig: MakeRig) -> None:
    """The power fails right after activation, and then main.py never gets to a step."""
    rig = make_rig(prelude=f"assert not {ON_TRIAL}")
    rig.on()
    rig.on_event = lambda line: rig.board.power_off() if line.startswith("mulligan: activated ") else None
    publish(rig)
    rig.board.wait_off()
    rig.board.power_on()
    rig.wait("rolled-back")
    rig.now("1.0.0")
    assert rig.version() == "1.0.0"


def test_an_app_that_never_lets_go_of_the_model(make_rig: MakeRig) -> None:
    """The new version has passed its checks: it is not to blame."""
    rig = make_rig(prelude="mulligan.model('digits').__enter__()")
    rig.on()
    with rolls_back(rig, frozen=False):
        publish(rig)
    assert reason(rig) == "passed, but the app did not let go of the old version within 3000 ms"
    assert rig.all("healthy")


# Not the version's fault


def test_a_power_cut_in_the_trial_of_a_bad_version(make_rig: MakeRig) -> None:
    """The cut is not counted, and the bound is held by the time with power: here there was no time without."""
    rig = make_rig()
    rig.on()
    with rolls_back(rig, frozen=True):
        rig.on_event = lambda line: rig.board.power_off() if line.startswith("mulligan: activated ") else None
        publish(rig, with_wrong_outputs(image("1.1.0")))
        rig.board.wait_off()
        rig.on_event = None
        rig.board.power_on()
    assert reason(rig) == "golden: vector 4 of 4: wrong output"
    assert causes(rig) == [1, 1]


def test_a_power_cut_during_the_trial(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.on()
    publish_and_cut(rig)
    assert rig.on() == "1.0.0"
    rig.wait("confirmed")
    rig.now("1.1.0")
    assert not rig.all("rolled-back")
    assert rig.entry().frozen == []


def test_power_cuts_without_end_during_the_trial(make_rig: MakeRig) -> None:
    """Sixteen starts for whatever reason end the trial, without blame."""
    rig = make_rig()
    rig.on()
    rig.on_event = lambda line: rig.board.power_off() if line.startswith("mulligan: activated ") else None
    publish(rig)
    rig.board.wait_off()
    assert rig.entry().trial
    rig.on_event = None
    # As fifteen more starts leave them, each cut short: the newest record's starts.
    journal = rig.journal()
    newest = max(
        (at for at in range(0, len(journal), RECORD) if journal[at : at + 2] == b"MJ"),
        key=lambda at: int.from_bytes(journal[at + 4 : at + 8], "little"),
    )
    marks = rig.address("journal") + newest + MARKS
    rig.board.flash.poke(marks, b"\x7f" * STARTS)
    assert rig.on() == "1.0.0"
    assert reason(rig).startswith("0 failed starts")
    assert (rig.entry().trial, rig.entry().frozen) == (None, [])


def test_no_network_during_the_trial(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.on()

    def lose(line: str) -> None:
        if line.startswith("mulligan: activated "):
            rig.web.faults = lambda request: Fault(drop_after=0)

    rig.on_event = lose
    publish(rig)
    rig.wait("confirmed")
    rig.now("1.1.0")
    assert rig.wait("waiting")["code"] == "60"
    assert rig.restart() == "1.1.0"


def test_a_trial_goes_on_where_there_is_no_network_after_the_reboot(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.on()
    publish_and_cut(rig)
    rig.close_server()
    assert rig.on() == "1.0.0"
    rig.wait("confirmed")
    rig.now("1.1.0")


# What comes after


def test_a_newer_version_after_a_frozen_one_is_taken(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.on()
    publish(rig, with_wrong_outputs(image("1.1.0")))
    rig.wait("rolled-back")
    rig.publish("1.1.1", image("1.1.1", model="1.1.0"))
    rig.wait("confirmed")
    rig.now("1.1.1")


def test_a_flash_that_holds_something_else_at_the_trial_is_no_ones_fault(make_rig: MakeRig) -> None:
    """Bytes that change between activation and trial, as in a worn flash: rolled back."""
    rig = make_rig()
    rig.on()

    def spoil(line: str) -> None:
        if line.startswith("mulligan: activated "):
            rig.board.flash.poke(rig.address("model_1"), b"\0" * 4)

    rig.on_event = spoil
    with rolls_back(rig, frozen=False):
        publish(rig)
    assert reason(rig).startswith("FormatError: ")
    rig.on_event = None
    rig.restart()
    rig.wait("confirmed")
    rig.now("1.1.0")
