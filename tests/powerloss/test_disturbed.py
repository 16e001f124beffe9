"""Memory that runs out, programs that end and clocks that jump, anywhere in an update: it is done all the same, nobody blamed."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import count

import pytest

from mulligan.core.journal import MAX_STARTS
from mulligan.core.state import WAKES
from mulligan_host.virtual.protocol import Cause, Op
from powerloss import device, scenarios
from powerloss.device import Ended, Tight
from powerloss.scenarios import Desk
from powerloss.world import World

pytestmark = pytest.mark.powerloss

Record = Callable[[str, int], None]
SOUND = [scenarios.good, scenarios.full, scenarios.rotation, scenarios.set_in_place, scenarios.app_alone, scenarios.set_of_all]
names = pytest.mark.parametrize("make", SOUND, ids=lambda make: make.__name__)


@names
def test_an_allocation_that_fails(make: scenarios.Make, desk: Desk, every: bool, record_property: Record) -> None:
    """Each one of a boot, an update and its trial: said in a line, tried again, and nobody blamed."""
    scenario = make(desk)
    world = desk.world(scenario)
    done = 0
    for nth in count(1, 1 if every else 13):
        tight = Tight(nth)
        with tight.heap():
            world.disturbed(scenario.start, None)  # to its last stage
        if tight.count < nth:
            break
        done += 1
    assert done > 10
    record_property("allocations that failed in memory", done)


@names
def test_three_allocations_in_a_row_that_fail(make: scenarios.Make, desk: Desk, every: bool, record_property: Record) -> None:
    """So is this, at the next power-on at the latest: what is in flash is then what counts."""
    scenario = make(desk)
    world = desk.world(scenario)
    done = 0
    for nth in count(2, 1 if every else 29):
        tight = Tight(nth, 3, booted=True)
        with tight.heap():
            run = world.disturbed(scenario.start, None, endless=True)
        world.run(run.end)
        if tight.count < nth:
            break
        done += 1
    assert done > 2
    record_property("allocations that failed in memory", done)


def _requests(world: World) -> list[tuple[str, Op]]:
    """What the board was doing at each request of its program, uncut: (the last thing that it reported, the request)."""
    found: list[tuple[str, Op]] = []
    world.disturbed(world.scenario.start, lambda op: found.append((_phase(world), op)))
    return found


def _phase(world: World) -> str:
    return world.reports[-1].split(" ")[0] if world.reports else "on"


class Ends:
    """Ends the program at its ``nth`` request, by ``cause``."""

    def __init__(self, nth: int, cause: Cause) -> None:
        self._left = nth
        self._cause = cause

    def __call__(self, op: Op) -> None:
        self._left -= 1
        if self._left == 0:
            raise Ended(self._cause)


def _sampled(requests: list[tuple[str, Op]], every: bool) -> Iterator[int]:
    """The numbers of all requests, or of one of each phase and kind."""
    for number, request in enumerate(requests, 1):
        if every or request not in requests[number:]:
            yield number


@pytest.mark.parametrize("cause", [Cause.WATCHDOG, Cause.HARD, Cause.DEEPSLEEP], ids=lambda cause: cause.name.lower())
@pytest.mark.parametrize(
    "make", [scenarios.good, scenarios.set_of_all, scenarios.wrong, scenarios.recovery], ids=lambda make: make.__name__
)
def test_a_program_that_ends(make: scenarios.Make, cause: Cause, desk: Desk, every: bool, record_property: Record) -> None:
    """By the watchdog, a panic or a deep sleep, once, at any request: in each phase it goes on from there, nobody blamed."""
    scenario = make(desk)
    world = desk.world(scenario)
    requests = _requests(world)
    phases = {
        "download": ("found", Op.PROGRAM),
        "erase": ("found", Op.ERASE),
        "verify": ("found", Op.READ),
        "activation": ("installed", Op.PROGRAM),
        "confirm": ("healthy", Op.PROGRAM),
    }
    if make in (scenarios.good, scenarios.set_of_all):
        assert [phase for phase, request in phases.items() if request not in requests] == []
        assert "activated" in {phase for phase, _ in requests}  # the trial, and its health checks
    if make is scenarios.set_of_all:
        assert ("boot", Op.READ) in requests  # the trial, before anything of the app
        assert ("serving", Op.WORK) in requests  # an inference of what is on trial
        assert ("healthy", Op.WORK) in requests  # the live window: the app's own
    if make is scenarios.wrong:
        assert max(i for i, request in enumerate(requests) if request == ("activated", Op.PROGRAM)) > max(
            i for i, request in enumerate(requests) if request == ("activated", Op.WORK)
        )  # the rollback: after the wrong answer
    if make is scenarios.recovery:
        assert "recovery" in {phase for phase, _ in requests}
    done = 0
    for number in _sampled(requests, every):
        world.disturbed(scenario.start, Ends(number, cause))
        done += 1
    record_property("programs that ended in memory", done)


class Naps:
    """Ends a trial when it is activated, and each boot of it when it serves, by the next of ``causes``."""

    def __init__(self, world: World, causes: Iterable[Cause]) -> None:
        self.done = 0
        self._world = world
        self._causes = iter(causes)
        self._boots = 0

    def __call__(self, op: Op) -> None:
        boots = sum(report.startswith("boot ") for report in self._world.reports)
        if self._world.trying and _phase(self._world) in ("activated", "serving") and boots > self._boots:
            cause = next(self._causes, None)
            if cause is not None:
                self.done += 1
                self._boots = boots
                raise Ended(cause)


@pytest.mark.parametrize("make", [scenarios.good, scenarios.set_of_all], ids=lambda make: make.__name__)
def test_a_trial_that_sleeps_again_and_again(make: scenarios.Make, desk: Desk) -> None:
    """Wakes are no failed starts, also of a firmware, whose wake is without a look at otadata: it is confirmed in the end."""
    scenario = make(desk)
    world = desk.world(scenario)
    naps = Naps(world, [Cause.DEEPSLEEP] * 20)
    world.disturbed(scenario.start, naps, boots=30)
    assert naps.done == 20
    assert not any(report.startswith("rolled-back") for report in world.reports)


def test_a_trial_that_only_sleeps_ends_unblamed(desk: Desk) -> None:
    """Sixteen wakes are as one start, of which a trial has sixteen; after it the set is installed again, and then lets us be."""
    scenario = scenarios.set_of_all(desk)
    world = desk.world(scenario)

    def until_rolled_back() -> Iterator[Cause]:
        while not any(report.startswith("rolled-back") for report in world.reports):
            yield Cause.DEEPSLEEP

    naps = Naps(world, until_rolled_back())
    world.disturbed(scenario.start, naps, boots=MAX_STARTS * WAKES + 9)
    # Before the first start, after it, and by wakes; the firmware is armed first, which is a start as well.
    assert naps.done == 1 + 1 + (MAX_STARTS - 2) * WAKES


def test_a_trial_that_crashes_in_each_wake_is_rolled_back(desk: Desk) -> None:
    """Its second crash ends it, and freezes the version, whatever it slept in between."""
    scenario = replace(scenarios.app_hangs(desk), hangs="")
    world = desk.world(scenario)
    naps = Naps(world, [Cause.DEEPSLEEP, Cause.DEEPSLEEP, Cause.HARD] * 9)
    world.disturbed(scenario.start, naps, boots=20)  # to the stage in which it is frozen
    assert naps.done == 6


YEAR = 365 * 86400
CLOCKS: dict[str, Callable[[int], int]] = {
    "never set": lambda now: 0,
    "1970": lambda now: 86400,
    "2000": lambda now: 946684800,
    "a year ago": lambda now: now - YEAR,
    "in a year": lambda now: now + YEAR,
    "2038": lambda now: 2**31 + 5,
    "2106": lambda now: 2**32 + 5,
}


@pytest.mark.parametrize("to", CLOCKS)
@pytest.mark.parametrize("make", [scenarios.good, scenarios.wrong], ids=lambda make: make.__name__)
def test_a_clock_that_jumps(make: scenarios.Make, to: str, desk: Desk, every: bool, record_property: Record) -> None:
    """At any request of an update, and back when the board is switched on again: the update is done all the same, by then."""
    scenario = make(desk)
    world = desk.world(scenario)
    right = int(time.time())
    wrong = CLOCKS[to](right)
    numbers = list(_sampled(_requests(world), False))
    done = 0
    for number in numbers[list(CLOCKS).index(to) :: 1 if every else 9]:
        for first, then in ((right, wrong), (wrong, right)):
            device.current.started = first
            end = world.disturbed(scenario.start, Jumps(number, then), endless=True).end
            device.current.started = right
            world.run(end)
            done += 1
    record_property("clocks that jumped in memory", done)


class Jumps:
    """Has the clock jump at the ``nth`` request."""

    def __init__(self, nth: int, to: int) -> None:
        self._left = nth
        self._to = to

    def __call__(self, op: Op) -> None:
        self._left -= 1
        if self._left == 0:
            device.current.started = self._to
