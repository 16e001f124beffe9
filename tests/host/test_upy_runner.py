"""The runner that takes a test file to MicroPython says so when a test fails, and when none ran."""

import subprocess
from pathlib import Path

import pytest

from mulligan_host.micropython import MicroPython

RUNNER = Path(__file__).resolve().parent.parent / "upy_runner.py"


@pytest.mark.parametrize(
    ("source", "code", "last"),
    [
        ("def test_a():\n    pass\ndef test_b():\n    pass\ndef helper():\n    assert 0\n", 0, "upy: 2 passed, 0 failed"),
        ("def test_a():\n    pass\ndef test_b():\n    assert 1 == 2\n", 1, "upy: 1 passed, 1 failed"),
        ("def test_a():\n    return bytearray(1 << 30)\ndef test_b():\n    pass\n", 1, "upy: 1 passed, 1 failed"),
        ("test_data = 1\ndef tested():\n    pass\n", 1, "upy: 0 passed, 0 failed"),
        ("import sys\ndef test_a():\n    sys.exit(0)\n", 0, ""),
        ("import nowhere\n", 1, "ImportError: no module named 'nowhere'"),
        ("def test_a(:\n", 1, "SyntaxError: invalid syntax"),
    ],
)
def test_verdict(source: str, code: int, last: str, micropythons: list[MicroPython], tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(source)
    for mp in micropythons:
        command = mp.command(RUNNER, file, heap="128k")
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == code
        assert "".join(done.stdout.splitlines()[-1:]) == last
