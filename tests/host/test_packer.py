"""Packets of patch tier 2: they are right, whatever is packed, and the packer reckons with what is coded."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mulligan.core import contexts, kinds
from mulligan_host.delta import coders, packets
from mulligan_host.delta.packer import Packer

WORDS = st.sampled_from((b"the ", b"quick", b"\0", b"\0\0\0\0", b"\x12\x34", b"mulligan", bytes(range(40))))
CONTENT = st.lists(st.one_of(WORDS, st.binary(max_size=4)), max_size=80).map(b"".join)


def unpacked(base: bytes, new: bytes, at: int, end: int, last: int) -> bytes:
    """What the packets of ``new[at:end]`` yield, each of them held to what a packet may be."""
    data = bytearray(base + new[:at])
    for length, distance in Packer(base, new).parse(at, end, last):
        if not distance:
            assert length == 1
            data.append(new[len(data) - len(base)])
            continue
        assert 0 < distance <= len(data)
        assert length > 1 or (length == 1 and distance == last)
        for _ in range(length):
            data.append(data[-distance])
        last = distance
    return bytes(data[len(base) + at :])


@settings(max_examples=150, deadline=None)
@given(CONTENT, CONTENT.filter(len), st.data())
def test_packets_yield_what_was_packed(base: bytes, new: bytes, data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        new = base[len(base) // 3 :] + new + base[: len(base) // 2]
    at = data.draw(st.integers(0, len(new) - 1))
    end = data.draw(st.integers(at + 1, len(new)))
    last = data.draw(st.integers(1, len(base) + at + 1))
    assert unpacked(base, new, at, end, last) == new[at:end]


class Recorder(coders.Encoder):
    """An encoder that notes the steps."""

    def __init__(self, packer: Packer) -> None:
        super().__init__(5, packer)
        self.steps: list[int] = []

    def bit(self, at: int, want: int) -> int:
        self.steps.append(2 * at + (want > 0))
        return super().bit(at, want)

    def raw(self, want: int) -> int:
        self.steps.append(packets.RAW)
        return super().raw(want)


@settings(max_examples=80, deadline=None)
@given(CONTENT, CONTENT.filter(len))
def test_the_steps_that_are_priced_are_those_that_are_coded(base: bytes, new: bytes) -> None:
    new += base[3:] + new
    packer = Packer(base, new)
    coder = Recorder(packer)
    last = max(1, len(base))
    coder.literals(new, 0, last)
    found = list(packets.steps_of(base + new, len(base), packer.parse(0, len(new), last), last))
    assert coder.steps == found
    assert len(packets.bits_of([1] * packets.STEPS)) == packets.STEPS
    assert coder.state[contexts.PACKET] < 12
    assert coder.state[kinds.LAST] <= len(base) + len(new)


@pytest.mark.parametrize("size", [3000, 70_000])
def test_runs_and_periods_are_a_few_packets(size: int) -> None:
    chance = random.Random(size)
    period = chance.randbytes(700)
    for new in (bytes(size), period * (size // 700), b"ab" * (size // 2)):
        found = Packer(b"", new).parse(0, len(new), 1)
        assert sum(length for length, _ in found) == len(new)
        assert len(found) <= 710


def test_what_the_base_has_is_copied() -> None:
    """Edited bytes in between cost a literal each, and the match goes on: of the same distance, which costs next to nothing."""
    base = random.Random(1).randbytes(5000)
    new = bytearray(base)
    for at in range(100, 5000, 500):
        new[at] ^= 0x55
    found = Packer(base, bytes(new)).parse(0, 5000, 5000)
    assert {distance for _, distance in found} == {0, 5000}
    assert len(found) == 21
