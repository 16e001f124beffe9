"""Every model of the zoo gives TFLite-Micro's bytes: by the plain kernels and NumPy's here, by viper's on each MicroPython."""

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from host.make_zoo import zoo_and_golden
from host.modelbuild import Subgraph, build
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


def test_a_convolution_along_one_dimension_is_one_along_two() -> None:
    """As converters write it: a dimension is added before it, and taken away after it."""
    g = Subgraph()
    x, added, y, taken = (g.activation(shape, 0.5, 3) for shape in ((1, 6, 2), (1, 1, 6, 2), (1, 1, 5, 3), (1, 5, 3)))
    weights = g.constant(np.arange(-9, 3, dtype=np.int8).reshape(3, 1, 2, 2), 0.25)
    bias = g.constant(np.array([40, -7, 0], np.int32), 0.125)
    g.op("EXPAND_DIMS", [x, g.constant(np.array(-3, np.int32))], [added], "ExpandDimsOptions")
    g.op("CONV_2D", [added, weights, bias], [y], "Conv2DOptions", Padding=1, StrideH=1, StrideW=1)
    g.op("SQUEEZE", [y], [taken], "SqueezeOptions")
    g.inputs, g.outputs = [x], [taken]
    found = bytearray()
    given = np.arange(-60, 60, 10, dtype=np.int8).reshape(6, 2)
    run(BytesSource(build(g)), given.tobytes(), False, found.extend, None, kernels.get)
    w = g.tensors[weights].data or b""
    taps = np.frombuffer(w, np.int8).reshape(3, 4).astype(int)
    windows = np.lib.stride_tricks.sliding_window_view(given.astype(int) - 3, 2, axis=0).transpose(0, 2, 1).reshape(5, 4)
    sums = windows @ taps.T + [40, -7, 0]
    expected = np.clip(np.sign(sums) * ((abs(sums) + 2) // 4) + 3, -128, 127)  # times 0.5 * 0.25 / 0.5, halves away from zero
    assert np.frombuffer(bytes(found), np.int8).reshape(5, 3).tolist() == expected.tolist()
