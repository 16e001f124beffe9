"""The health rules of a trial, on the virtual board: each is judged by its own figure, and names itself in the reason."""

import re

import pytest

from host.conftest import MakeRig
from host.rig import Rig, image, with_arena
from mulligan_host.release import Health


def refused(rig: Rig, content: bytes, health: Health | None = None) -> dict[str, str]:
    """Publish 1.1.0, which is refused before it is activated, and not downloaded again; return the facts of the refusal."""
    rig.on()
    with rig.unchanged():
        rig.publish("1.1.0", content, health=health or Health(4))
        facts = rig.wait("refused")
    done = len([request for request in rig.web.requests if request.path.startswith("/artifacts/")])
    polls = len(rig.web.requests)
    while len(rig.web.requests) < polls + 3:
        rig.served()
    assert len([request for request in rig.web.requests if request.path.startswith("/artifacts/")]) == done
    assert not rig.all("activated")
    assert rig.entry().frozen == []
    return facts


def test_a_damaged_model_is_refused_before_activation(make_rig: MakeRig) -> None:
    broken = bytearray(image("1.1.0"))
    broken[96 + 4 : 96 + 8] = b"XXXX"  # the file identifier of the .tflite
    facts = refused(make_rig(), bytes(broken))
    assert (facts["code"], facts["reason"]) == ("70", "not a .tflite file: no TFL3 at byte 4")


def test_a_slot_image_that_says_too_little_arena_is_refused_before_activation(make_rig: MakeRig) -> None:
    facts = refused(make_rig(), with_arena(image("1.1.0"), 100))
    assert facts["code"] == "71"
    assert re.fullmatch(r"\d+ bytes of arena needed, the slot image says 100", facts["reason"])


def test_more_arena_than_any_device_gives_is_refused_before_activation(make_rig: MakeRig) -> None:
    facts = refused(make_rig(), with_arena(image("1.1.0"), (1 << 17) + 1))
    assert facts["code"] == "71"
    assert "at most 131072 here" in facts["reason"]


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        (Health(4, p50_us=1000), r"p50_us: \d+ us for an inference, 1000 allowed"),
        (Health(4, latency_us=1000), r"latency_us: \d+ us for an inference, 1000 allowed"),
        (Health(4, p99_us=1000), r"p99_us: \d+ us for an inference, 1000 allowed"),
        (Health(4, heap=10_000_000), r"heap: \d+ bytes free, 10000000 needed"),
    ],
)
def test_a_rule_that_fails_names_itself(make_rig: MakeRig, health: Health, reason: str) -> None:
    rig = make_rig()
    rig.on()
    rig.publish("1.1.0", health=health)
    facts = rig.wait("rolled-back")
    assert re.fullmatch(reason, facts["reason"])
    assert len(rig.entry().frozen) == 1
    rig.now("1.0.0")


def test_rules_that_hold_confirm_and_are_reported(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.on()
    limits = {"p50_us": 60000, "latency_us": 60000, "p99_us": 60000, "arena": 12288, "heap": 8192}
    rig.publish("1.1.0", health=Health(4, **limits))
    facts = rig.wait("healthy")
    rig.wait("confirmed")
    assert facts["correct"] == "4/4"
    assert 0 < int(facts["p50_us"]) <= int(facts["p90_us"]) <= int(facts["p99_us"]) <= 60000
    assert 0 < int(facts["arena"]) <= 12288
    assert int(facts["heap"]) >= 8192


def test_an_arena_over_its_rule_is_refused_before_activation(make_rig: MakeRig) -> None:
    """`release build` refuses such a release, so it is forged."""
    rig = make_rig()
    rig.on()
    rig.build("1.1.0")
    payload = rig.payload("1.1.0")
    payload["artifacts"][0]["health"]["arena"] = 100
    with rig.unchanged():
        rig.forge(payload)
        facts = rig.wait("refused")
    assert facts["code"] == "90"
    assert re.fullmatch(r"arena: \d+ bytes, 100 allowed", facts["reason"])


# In main.py: from here on, after the boot, no larger arena is to be had.
IN_PIECES = """
from mulligan import serving


def reserve(self, size):
    if size > len(self.arena):
        raise MemoryError("in pieces")


serving.Serving.reserve = reserve
"""


def test_a_larger_arena_gets_its_room_from_a_reset(make_rig: MakeRig) -> None:
    """At that boot the arena is allocated before anything else, so that it fits; the confirmed version serves all the same."""
    rig = make_rig(prelude=IN_PIECES, heap=200 * 1024)
    rig.on()
    rig.publish("1.1.0", with_arena(image("1.1.0"), 80000))
    rig.wait("resetting")
    assert rig.wait("serving")["version"] == "1.0.0"
    assert rig.wait("healthy")["arena"] == "80000"
    rig.wait("confirmed")
    assert [cause for cause, _ in rig.board.resets] == [1, 2]
    assert rig.restart() == "1.1.0"
