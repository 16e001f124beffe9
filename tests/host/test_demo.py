"""``mulligan demo``: it does what the README says, and says so when it does not."""

import dataclasses
import re
import subprocess
import sys
from io import StringIO

import pytest
from rich.console import Console

from host.rig import HEALTH, image
from mulligan_host import demo


def test_the_demo() -> None:
    done = subprocess.run([sys.executable, "-m", "mulligan_host", "demo"], capture_output=True, text=True, timeout=300)
    said = " ".join(done.stdout.split())
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert said.count(": as expected") == 6
    assert "expected: " not in said
    for line in (
        r"patch of \d+ bytes, [\d.]+ % of full",
        r"1\.1\.0 confirmed",
        r"1\.2\.0-bad rolled back for wrong answers, 1\.1\.0 serving",
        r"1\.3\.0-slow rolled back for its latency, 1\.1\.0 serving",
        r"back after \d+ ms, bound \d+ ms",
        r"refused, code 20, 1\.1\.0 serving",
        r"patch: \d+ bytes fetched after the cut",
        r"1\.4\.0 confirmed",
        r"longest gap between two inferences [12] update",
        r"peak heap on the device: [1-9]\d* bytes live, of [1-9]\d*",
        r"flash: [1-9]\d* sectors erased, none more than [1-9]\d* times; [1-9]\d* bytes programmed",
    ):
        assert re.search(line, said), line


def test_an_outcome_that_is_not_as_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a latency budget the slow version is confirmed, and the demo fails."""
    monkeypatch.setattr(demo, "_HEALTH", dataclasses.replace(HEALTH, latency_us=0))
    monkeypatch.setattr(demo, "_packed", lambda version, model="": image(version, model))  # with fewer golden vectors
    out = StringIO()
    assert not demo.Demo(Console(file=out, width=200)).run()
    assert "expected: 1.3.0-slow rolled back" in out.getvalue()
    assert "no line matched" not in out.getvalue(), out.getvalue()
    assert "NO" in out.getvalue()
