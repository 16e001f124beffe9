"""Fixtures for tests of whole updates."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from host.rig import Rig
from mulligan_host.micropython import MicroPython

MakeRig = Callable[..., Rig]


@pytest.fixture
def make_rig(tmp_path: Path, micropythons: list[MicroPython]) -> Iterator[MakeRig]:
    """Make a Rig; each ends with the test, and fails it if a NOR rule was broken."""
    with ExitStack() as stack:
        made: list[Rig] = []

        def make(**options: Any) -> Rig:
            made.append(stack.enter_context(Rig(tmp_path / f"rig{len(made)}", micropythons, **options)))
            return made[-1]

        yield make


@pytest.fixture
def every(request: pytest.FixtureRequest) -> bool:
    """Whether to try every point of a power-loss test (``make powerloss``), or a sample of them."""
    return bool(request.config.getoption("markexpr") == "powerloss")
