"""The power is cut at each flash operation of a scenario, and again at each of what the board does after that."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from powerloss.nor import Content, Operation, cuts
from powerloss.world import Broken, Run, World


@dataclass
class Tally:
    """``operations``: of the scenario, uncut; ``first``: cuts in these; ``second``: cuts in what followed a first one;
    ``contents``: different contents of the flash that the board was switched on with; ``beyond``: those of them that ESP-IDF's
    bootloader has no way back from."""

    operations: int = 0
    first: int = 0
    second: int = 0
    contents: int = 0
    beyond: int = 0

    @property
    def cuts(self) -> int:
        return self.first + self.second


def explore(world: World, enough: int | None = None) -> Tally:
    """Cut everywhere; ``enough``: cuts in all, after which second ones, evenly spread, are left out. Raises: AssertionError.

    Each board must come to the scenario's last stage, and write nothing more when it is then switched off and on.
    """
    scenario = world.scenario
    with _at(world, "uncut"):
        clean = world.run(scenario.start)
    tally = Tally(len(clean.operations))
    seconds: list[tuple[str, Operation]] = []
    for name, content in _cuts(world, clean):
        tally.first += 1
        with _at(world, name):
            recovery = world.run(content)
            assert world.run(recovery.end).operations == [], f"{name}: a quiet boot writes"
        seconds += [(name, operation) for operation in recovery.operations]
    # Whole operations, spread over all of them: with a stride that shares no factor with how many there are.
    stride = next(n for n in range(len(seconds) * 5 // 8, 2 * len(seconds)) if math.gcd(n, len(seconds)) == 1)
    for number in range(len(seconds)):
        name, operation = seconds[number * stride % len(seconds)]
        for second, content in cuts(world.flash, operation, number):
            tally.second += 1
            with _at(world, f"{name}; then {operation}: {second}"):
                world.check(content)
        if enough and tally.cuts >= enough:
            break
    tally.contents, tally.beyond = world.distinct, world.beyond
    return tally


def _cuts(world: World, run: Run) -> Iterator[tuple[str, Content]]:
    for number, operation in enumerate(run.operations):
        for name, content in cuts(world.flash, operation, number):
            yield f"operation {number + 1}, {operation}: {name}", content


@contextmanager
def _at(world: World, name: str) -> Iterator[None]:
    try:
        yield
    except Broken as e:
        raise AssertionError(f"{world.scenario.name}, {name}: {e}") from None
