"""The device's tests run twice: by pytest on CPython, and here, one item per file and port, on real MicroPython.

``tests/core/test_x.py::unix32`` is the item that runs the whole file on the 32-bit port; ``-m upy`` selects all such items.
"""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mulligan_host.build import build_package
from mulligan_host.errors import HostError
from mulligan_host.micropython import MicroPython, missing_reason, resolve

TESTS = Path(__file__).parent
SHARED = (TESTS / "core", TESTS / "tflite")
TIMEOUT_SECONDS = 600  # for a test that hangs; far above what any takes


@pytest.fixture(scope="session")
def micropythons() -> list[MicroPython]:
    """The MicroPython ports of this machine, the 64-bit one first if there is one."""
    return resolve()


@pytest.fixture(scope="session")
def micropython32(micropythons: list[MicroPython]) -> MicroPython:
    """The 32-bit port, whose words are the ESP32's; the first port where there is none."""
    return next((mp for mp in micropythons if mp.bits == 32), micropythons[0])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.parent in SHARED and file_path.match("test_*.py"):
        collector: UpyFile = UpyFile.from_parent(parent, path=file_path)
        return collector
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was counted while the tests ran: by the reports, which also come from the workers of a parallel run."""
    counts: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        counts.update({label: count for label, count in report.user_properties if isinstance(count, int)})
    for label, count in sorted(counts.items()):
        if label.startswith("unix"):
            terminalreporter.write_line(f"on MicroPython {label}: {count} test functions passed")
        else:
            terminalreporter.write_line(f"{label}: {count}")


class UpyFile(pytest.File):
    """A test file in the common dialect, seen as one item per port. Which ports there are is asked when they run."""

    def collect(self) -> Iterator[pytest.Item]:
        for bits in (64, 32):
            yield UpyItem.from_parent(self, name=f"unix{bits}", bits=bits)


class UpyFailure(Exception):
    """What the port printed; shown in place of a CPython traceback."""


class UpyItem(pytest.Item):
    def __init__(self, *, bits: int, **keywords: object) -> None:
        super().__init__(**keywords)  # type: ignore[arg-type]
        self.bits = bits
        self.add_marker("upy")

    def runtest(self) -> None:
        try:
            mp = next((mp for mp in resolve() if mp.bits == self.bits), None)
        except HostError as e:
            raise UpyFailure(str(e)) from e
        if mp is None:
            pytest.skip(missing_reason(self.bits))
        # HEAP is what it takes on 32-bit words, as on the chip: objects of 64-bit ones are twice as large.
        given = re.search(r'^HEAP = "(\d+)k"', self.path.read_text(encoding="utf-8"), re.MULTILINE)
        heap = f"{int(given[1]) * mp.bits // 32}k" if given else "4M"
        command = mp.command(TESTS / "upy_runner.py", self.path, build_package(mp), TESTS, heap=heap)
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=TIMEOUT_SECONDS,
            )
        except subprocess.TimeoutExpired as e:
            raise UpyFailure(f"hangs; printed so far: {e.stdout!r}") from e
        last = re.search(r"^upy: (\d+) passed, (\d+) failed\n\Z", done.stdout, re.MULTILINE)
        if done.returncode or last is None:
            raise UpyFailure(f"{done.stdout}\nexit code {done.returncode} from {mp}")
        self.user_properties.append((mp.label, int(last[1])))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        if isinstance(excinfo.value, UpyFailure):
            return str(excinfo.value)
        return str(excinfo.getrepr(style="short"))

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self.path.relative_to(TESTS.parent)}[{self.name}]"
