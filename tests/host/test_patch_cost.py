"""What decoding costs the device: heap, on the 32-bit port, and time, as a ratio inside one process."""

import random
from collections.abc import Callable
from hashlib import sha256

import pytest

from bench import decode
from host import rescaled
from host.rig import image
from mulligan.core import chunks, kinds, patch
from mulligan_host import delta
from mulligan_host.delta import explain
from mulligan_host.micropython import MicroPython

HEAP = {patch.TIER_DEFLATE: 16 * 1024, patch.TIER_RANGE: 24 * 1024}
PARTS = 900
NOISE = 1.2  # times decode.BARS, as machines differ
TIERS = pytest.mark.parametrize("tier", HEAP, ids=["tier 1", "tier 2"])

pytestmark = pytest.mark.upy


@TIERS
def test_heap_of_an_installation(tier: int, micropython32: MicroPython) -> None:
    base, new = image("1.0.0"), image("1.1.0")
    data = delta.make(base, new, (tier,))
    assert delta.read_header(data).tier == tier
    assert decode.heap(micropython32, base, new, sha256(new).digest(), data) <= HEAP[tier]


@TIERS
def test_heap_with_as_many_factors_as_there_may_be(
    tier: int, micropython32: MicroPython, record_property: Callable[[str, object], None]
) -> None:
    base, new = rescaled.pair(kinds.MAX_CHANNELS)
    data = delta.make(base, new, (tier,))
    assert "SCALE8" in explain.explain(base, data).by_kind()
    found = decode.heap(micropython32, base, new, sha256(new).digest(), data)
    record_property(f"bytes of heap, installing a patch of tier {tier}", found)
    assert found <= HEAP[tier]


def test_heap_does_not_grow_with_the_artifact(micropython32: MicroPython) -> None:
    """But for the chunk table, which has half a KB at most."""
    chance = random.Random(1)
    found = []
    for size in (40_000, 1_600_000):
        new = chance.randbytes(size)
        data = delta.make(b"", new)
        found.append(decode.heap(micropython32, b"", new, sha256(new).digest(), data))
    small, large = found
    assert large <= small + chunks.ENTRY_SIZE * patch.MAX_CHUNKS


@TIERS
def test_nothing_is_allocated_for_a_segment_or_a_byte(tier: int, micropython32: MicroPython) -> None:
    """What is: two views of a buffer for each read of the download, and for each chunk a generator, a hash and the like.

    In tier 2, where one segment has them all, nor for a match with what is not held.
    """
    if not micropython32.has_native:
        pytest.skip(f"{micropython32.label} has no native emitter")
    chance = random.Random(2)
    base = chance.randbytes(20_000)
    new = b"".join(base[at : at + 16] + chance.randbytes(5) for at in chance.sample(range(19_000), PARTS))
    data = delta.make(base, new, (tier,))
    found, reads = decode.allocated(micropython32, base, data)
    assert tier == patch.TIER_RANGE or len(explain.explain(base, data).segments) > PARTS
    assert found <= 64 * reads + 1024 * chunks.count_of(delta.read_header(data)) <= 8 * PARTS


@TIERS
def test_time_of_a_byte(tier: int, micropython32: MicroPython) -> None:
    if not micropython32.has_native:
        pytest.skip(f"{micropython32.label} has no native emitter, so nothing to compare with")
    base, new = image("1.0.0"), image("1.3.0-slow")  # another net: a dense patch
    data = delta.make(base, new, (tier,))
    ours, _ = decode.cost(micropython32, base, data)
    assert ours <= NOISE * decode.BARS[tier]
