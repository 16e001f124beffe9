"""Flash that fails or lies, at each operation of an update: old or new serves all the while, and what can be mended is mended."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from mulligan.core.partitions import Row
from mulligan_host.virtual.flash import SECTOR
from mulligan_host.virtual.protocol import Op
from powerloss import scenarios
from powerloss.nor import Fault, Refused
from powerloss.scenarios import Desk

Record = Callable[[str, int], None]


class Failing(Fault):
    """From the ``since``-th program or erase on, for ``times`` operations where that one is, or for ever.

    how: ``refuses`` with an error; ``lies``, doing nothing; ``flips`` a bit of what is programmed, and erases no more.
    wide: the whole partition of that operation, else its sector. The bootloader's own operations, in otadata, are sound.
    """

    def __init__(self, how: str, since: int, times: int | None, rows: Sequence[Row], wide: bool = False) -> None:
        self.how, self.times = how, times
        self.hits = 0
        self._before = since
        self._rows, self._wide = rows, wide
        self._where = range(0)

    def programming(self, address: int, data: bytes) -> bytes:
        if not self._hit(address):
            return data
        return b"\xff" * len(data) if self.how == "lies" else data[:-1] + bytes([data[-1] & (data[-1] - 1)])

    def erasing(self, address: int) -> bool:
        return not self._hit(address)

    def _hit(self, address: int) -> bool:
        row = next(row for row in self._rows if row.offset <= address < row.offset + row.size)
        if row.label == "otadata":
            return False
        self._before -= 1
        if self._before == 0:
            sector = address - address % SECTOR
            self._where = range(row.offset, row.offset + row.size) if self._wide else range(sector, sector + SECTOR)
        if address not in self._where or (self.times is not None and self.hits >= self.times):
            return False
        self.hits += 1
        if self.how == "refuses":
            raise Refused
        return True


pytestmark = pytest.mark.powerloss
IN_PLACE = [scenarios.good, scenarios.rollover, scenarios.rotation, scenarios.wrong, scenarios.hang]
FROM_A_RESET = [scenarios.app_alone, scenarios.firmware_alone, scenarios.set_of_all]


@pytest.mark.parametrize("how", ["refuses", "lies", "flips"])
@pytest.mark.parametrize("make", [*IN_PLACE, *FROM_A_RESET], ids=lambda make: make.__name__)
def test_a_failure_at_each_operation(make: scenarios.Make, how: str, desk: Desk, every: bool, record_property: Record) -> None:
    """Once, twice, or dead from then on, a sector or its partition: served all the while; and with sound flash, to its end."""
    scenario = make(desk)
    world = desk.world(scenario)
    count = len([op for op in world.run(scenario.start).operations if not 0xD000 <= op.address < 0xF000])
    # A journal that dies as a whole under a set that is in service already ends that set at the next reset, not before.
    ways = [(1, False), (2, False), (None, False), *([(None, True)] if make in IN_PLACE else [])]
    done = 0
    for since in range(1 if every else 1 + len(how) % 4, count + 1, 1 if every else 4):
        for times, wide in ways:
            fault = Failing(how, since, times, world.rows, wide)
            run = world.faulty(scenario.start, fault)
            assert fault.hits
            if times:
                assert str(world.facts(run.end)[0]) == scenario.stages[-1], (since, times)
            world.run(run.end)
            done += 1
    record_property("flash faults in memory", done)


@pytest.mark.parametrize("how", ["refuses", "lies"])
def test_a_damaged_slot_under_a_journal_that_is_dead(how: str, desk: Desk) -> None:
    """The boot goes on with what there is, and sound flash is mended."""
    good = scenarios.good(desk)
    gone = (scenarios.at("?", "2", 2), scenarios.at("", "-", 2), scenarios.at("1.0.0", "2", 2))
    world = desk.world(replace(good, stages=(scenarios.OLD, *gone, scenarios.NEW), rots=True))
    end = world.run({}).end
    assert str(world.facts(end)[0]) == scenarios.NEW
    rows = {row.label: row for row in world.rows}
    damaged = {**end, rows["model_1"].offset // SECTOR: bytes(SECTOR)}
    journal = range(rows["journal"].offset, rows["journal"].offset + rows["journal"].size)
    operations = [op for op in world.run(damaged).operations if not 0xD000 <= op.address < 0xF000]
    first = next(i for i, op in enumerate(operations, 1) if op.address in journal)
    fault = Failing(how, first, None, world.rows, wide=True)
    run = world.faulty(damaged, fault)
    assert fault.hits
    assert any(report.startswith("unwritten") for report in world.reports)
    world.run(run.end)


def test_bit_rot(desk: Desk, every: bool, record_property: Record) -> None:
    """A bit lost at any time of an update, in any sector that it concerns: mended, after one more boot at the latest."""
    good = scenarios.good(desk)
    at = scenarios.at
    gone = (at("?", "1", 0), at("", "-", 0), at("?", "2", 2), at("", "-", 2), at("1.0.0", "2", 2))
    world = desk.world(replace(good, stages=(scenarios.OLD, *gone, scenarios.NEW), rots=True))
    operations = world.run({}).operations
    chance = random.Random(3)
    done = 0
    for operation in operations[2 :: 1 if every else 3]:  # the first two are the bootloader's
        for row in world.rows:
            if row.label not in ("journal", "keys", "model_0", "model_1"):
                continue
            for sector in range(row.offset // SECTOR, row.offset // SECTOR + 3):
                was = world.flash.original(operation.before, sector)
                held = [i for i, byte in enumerate(was) if byte != 0xFF]
                if not held:
                    continue
                rotten = bytearray(was)
                rotten[chance.choice(held)] ^= 1 << chance.randrange(8)
                content = {**operation.before, sector: bytes(rotten)}
                # What no golden vector sees is found at the boot after.
                world.run(world.faulty(content, Fault()).end)
                done += 1
    assert done > 20
    record_property("bits lost in memory", done)


def test_a_bit_lost_while_it_is_tried(desk: Desk) -> None:
    """In a part that no golden vector sees: found before the confirm, nobody blamed, and the release installed again."""
    good = scenarios.good(desk)
    stages = (scenarios.OLD, scenarios.NEW)
    world = desk.world(replace(good, stages=stages, rots=True))
    slot = next(row for row in world.rows if row.label == "model_1")

    def rot(op: Op) -> None:
        if world.reports and world.reports[-1].startswith("healthy") and not lost:
            lost.append(1)
            world.flash.rot(slot.offset + 5000)

    lost: list[int] = []
    run = world.disturbed(good.start, rot)
    assert str(world.facts(run.end)[0]) == scenarios.NEW
    ended = next(report for report in world.reports if report.startswith("rolled-back"))
    assert "model_1 no longer holds what was verified" in ended


class Dead(Fault):
    """A journal that takes nothing any more."""

    def __init__(self, rows: Sequence[Row]) -> None:
        row = next(row for row in rows if row.label == "journal")
        self._where = range(row.offset, row.offset + row.size)

    def programming(self, address: int, data: bytes) -> bytes:
        return b"\xff" * len(data) if address in self._where else data

    def erasing(self, address: int) -> bool:
        return address not in self._where


def test_an_app_that_always_fails_under_a_journal_that_is_dead(desk: Desk) -> None:
    """Its failures are counted in the event log, and it comes to recovery all the same."""
    recovery = scenarios.recovery(desk)
    world = desk.world(recovery)
    run = world.faulty(recovery.start, Dead(world.rows))
    assert [report.split(" ")[0] for report in world.reports].count("recovery") == 1
    assert [report for report in world.reports if report.startswith("uncounted")][-1] == "uncounted {'failures': 4}"
    assert run.boots == 5
    world.run(run.end)
