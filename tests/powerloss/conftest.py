"""The desk that scenarios are made at, and the device package on a chip in memory."""

from collections.abc import Iterator

import pytest

from mulligan_host.micropython import MicroPython
from powerloss.device import wired
from powerloss.scenarios import Desk


@pytest.fixture(scope="module")
def desk(micropythons: list[MicroPython]) -> Iterator[Desk]:
    with wired() as board:
        yield Desk(board, micropythons[0])


@pytest.fixture
def every(request: pytest.FixtureRequest) -> bool:
    """Whether to try everything (``make powerloss``), or a sample."""
    return bool(request.config.getoption("markexpr") == "powerloss")
