"""An update with less and less heap on the real 32-bit port: old or new whatever fails for want of memory, and nothing mixed."""

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host.conftest import MakeRig
from host.rig import Rig, image
from mulligan_host.virtual.board import BoardError

pytestmark = pytest.mark.powerloss

OUTCOMES = re.compile(r"^mulligan: (confirmed|rolled-back|waiting)( |$)")
MOST_WAITS = 4  # of the agent for its memory: at the third it resets the board, if that may help
SECONDS = 20.0  # of no such line: it can't even say so
MOST, LEAST = 116, 72  # KiB: enough for an update, and too little for a boot


def limits(every: bool) -> Iterator[int]:
    """Bytes of heap, less and less."""
    yield from (kib * 1024 for kib in (range(MOST, LEAST - 1, -1) if every else (100, LEAST)))


def ends(rig: Rig) -> str:
    """How far the board comes, in a word."""
    rig.board.power_on()
    waits = 0
    try:
        while waits < MOST_WAITS:
            found = OUTCOMES.search(rig.board.wait(OUTCOMES, SECONDS))
            if found and found[1] != "waiting":
                return found[1]
            waits += 1
    except BoardError:
        return "serving" if rig.all("serving") else "boot" if rig.all("boot") else "nothing"  # what it came to
    finally:
        rig.board.power_off()
    return "waiting"


def is_whole(rig: Rig, before: str, after: str) -> str:
    """The journal says old or new, and its slot holds that; so does the other slot what is on trial. Returns which."""
    entry = rig.entry()
    assert entry.slot is not None
    version = rig.version()
    assert version in (before, after)
    held = [rig.board.partition(f"model_{slot}") for slot in (0, 1)]
    assert held[entry.slot].startswith(CONTENT[version])
    assert entry.trial is None or held[entry.trial.slot].startswith(CONTENT[after])
    return version


CONTENT = {"1.0.0": image("1.0.0"), "1.1.0": image("1.1.0"), "1.4.0": image("1.4.0", model="1.0.0")}


def test_less_and_less_heap(make_rig: MakeRig, tmp_path: Path, every: bool, record_property: Callable[[str, int], None]) -> None:
    """Each limit ends on the old version or the new one; with the heap back, the next release is installed."""
    rig = make_rig(model=CONTENT["1.0.0"], released=False)
    rig.on()
    rig.board.power_off()
    template, left = tmp_path / "template.bin", tmp_path / "left.bin"
    shutil.copyfile(rig.path, template)
    offers = {}
    for version in ("1.1.0", "1.4.0"):
        rig.publish(version, CONTENT[version])
        offers[version] = rig.directory.channel("stable").read_bytes()
    outcomes: Counter[str] = Counter()
    for heap in limits(every):
        rig.offer(offers["1.1.0"])
        rig.load(template, heap=heap, max_resets=3)
        outcomes[ends(rig)] += 1
        version = is_whole(rig, "1.0.0", "1.1.0")
        shutil.copyfile(rig.path, left)
        rig.offer(offers["1.4.0"])
        rig.load(left)
        assert rig.on() == version, heap
        while rig.wait("confirmed")["version"] != "1.4.0":  # a trial that was left half-way may come first
            pass
        rig.now("1.4.0")
        assert is_whole(rig, "1.4.0", "1.4.0") == "1.4.0"
    assert {"waiting", "nothing"} <= set(outcomes) or not every
    record_property("heap limits on the virtual board", sum(outcomes.values()))
