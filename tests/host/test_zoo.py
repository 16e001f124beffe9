"""Every model of the zoo gives TFLite-Micro's bytes: by the plain kernels and NumPy's here, by viper's on each MicroPython."""

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from host.make_zoo import zoo_and_golden
from host.zoo_layers import Case
from mulligan.tflite import kernels
from mulligan_host.build import build_package
from mulligan_host.micropython import MicroPython
from mulligan_host.models import kernels as numpy_kernels
from tflite.models import BytesSource
from tflite.run_models import run

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def zoo() -> dict[str, tuple[Case, bytes]]:
    return zoo_and_golden()


def differing(zoo: dict[str, tuple[Case, bytes]], kernel: Callable[[str], ModuleType]) -> list[str]:
    """Names of the models whose outputs differ with these kernels."""
    wrong = []
    for name, (case, expected) in zoo.items():
        out = bytearray()
        run(BytesSource(case.model), case.inputs, case.memory, out.extend, None, kernel)
        if out != expected:
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("kernel", [kernels.get, numpy_kernels.get], ids=["plain", "numpy"])
def test_on_cpython(kernel: Callable[[str], ModuleType], zoo: dict[str, tuple[Case, bytes]]) -> None:
    assert differing(zoo, kernel) == []


@pytest.mark.upy
@pytest.mark.parametrize("bits", [64, 32])
def test_on_micropython(bits: int, zoo: dict[str, tuple[Case, bytes]], micropythons: list[MicroPython], tmp_path: Path) -> None:
    mp = next((mp for mp in micropythons if mp.bits == bits), None)
    if mp is None:
        pytest.skip(f"no {bits}-bit MicroPython")
    pack, outputs = tmp_path / "pack", tmp_path / "outputs"
    parts = []
    for case, _ in zoo.values():
        parts += [struct.pack("<4I", len(case.model), len(case.inputs), case.memory, 0), case.model, case.inputs]
    pack.write_bytes(b"".join(parts))
    command = mp.command(TESTS / "tflite" / "run_models.py", build_package(mp), pack, outputs, heap="2M")
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == [str(len(zoo)), "viper" if mp.has_native else "plain"]
    found = outputs.read_bytes()
    at = 0
    wrong = []
    for name, (_, expected) in zoo.items():
        if found[at : at + len(expected)] != expected:
            wrong.append(name)
        at += len(expected)
    assert wrong == []
    assert at == len(found)
