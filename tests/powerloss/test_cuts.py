"""A power cut at each flash operation of each scenario, before, inside and after it, and again at each of the recovery's.

``make powerloss`` makes all cuts, ``make test`` 20,000 of them.
"""

from collections.abc import Callable

import pytest

from powerloss import scenarios
from powerloss.explore import explore
from powerloss.nor import TracedFlash, cuts
from powerloss.scenarios import Desk

IN_MAKE_TEST = 20_000

Record = Callable[[str, int], None]


@pytest.mark.powerloss
@pytest.mark.parametrize("make", scenarios.ALL, ids=lambda make: make.__name__)
def test_old_or_new_and_never_a_mix(make: scenarios.Make, desk: Desk, every: bool, record_property: Record) -> None:
    enough = None if every else -(-IN_MAKE_TEST // len(scenarios.ALL))
    tally = explore(desk.world(make(desk)), enough)
    assert tally.first > 9 * tally.operations
    assert enough is None or tally.cuts >= enough
    record_property("power cuts in memory", tally.cuts)
    record_property("power cuts in memory: scenarios", 1)
    record_property("power cuts in memory: different contents of the flash", tally.contents)
    record_property("power cuts in memory: contents that ESP-IDF's bootloader itself has no way back from", tally.beyond)
    assert tally.beyond * 10_000 <= tally.contents


def test_a_cut_is_what_nor_flash_can_hold() -> None:
    """By the rules of NOR: a torn program sets no bit, a torn erase clears none; what was torn off is in the flash already."""
    flash = TracedFlash(bytes(range(256)) * 64)
    flash.erase(4096)
    flash.program(4096 + 100, bytes(range(50)))
    flash.program(4096 + 149, b"\x11")
    for operation in flash.operations:
        was, done = flash.original(operation.before, 1), operation.data or b"\xff" * 4096
        names = set()
        for name, content in cuts(flash, operation, 7):
            now = flash.original(content, 1)
            names.add(name)
            changed = [i for i in range(4096) if now[i] != was[i]]
            at = operation.address - 4096
            assert all(at <= i < at + len(done) for i in changed)
            if operation.data is None:
                assert all(now[i] & was[i] == was[i] for i in changed), name
            else:
                assert all(now[i] & was[i] == now[i] for i in changed), name
        assert len(names) >= 5
    assert len(list(cuts(flash, flash.operations[1], 7))) == 14


def test_a_torn_program_is_that_of_the_virtual_board() -> None:
    """Cutting a traced operation gives what `Nor.cut_at` leaves when it cuts the real one."""
    from mulligan_host.virtual.flash import Nor, PowerCut

    traced = TracedFlash(b"\xff" * 8192)
    traced.program(4096, bytes(40))
    torn = dict(cuts(traced, traced.operations[0], 0))["torn after 20, rest FF"]
    real = Nor(bytearray(b"\xff" * 8192))
    real.cut_at(1, 0.5)
    with pytest.raises(PowerCut):
        real.program(4096, bytes(40))
    assert real.peek(4096, 4096) == torn[1]
