"""The NumPy kernels give the bytes of the plain ones, on every model there is here, and are much faster."""

import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from host.zoo import GOLDEN, cases
from mulligan.tflite import fixedpoint
from mulligan.tflite import kernels as plain
from mulligan_host.models import kernels
from mulligan_host.models.engine import Engine
from mulligan_host.models.kernels import arithmetic
from mulligan_host.models.samples import input_size

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "models"
OURS = sorted([*(ROOT / "models").glob("*.tflite"), *(ROOT / "tests" / "tflite" / "data").glob("*.tflite")])
REAL = ("mnist_lstm_int8", "hello_world_int8", "micro_speech_quantized", "mlperf_ad01_int8", "mlperf_kws", "person_detect")
DIGEST = 16  # bytes before a model's outputs in the stored ones
MACS = 300_000  # of each model, together, for the plain kernels


def vectors(size: int, count: int) -> list[bytes]:
    """Noise over the full range, the extremes, and noise about zero."""
    rng = np.random.default_rng(size)
    made = [rng.integers(-128, 128, size, np.int8) for _ in range(count)]
    made[1:3] = [np.full(size, value, np.int8) for value in (-128, 127)]
    made[3:4] = [rng.normal(0, 9, size).astype(np.int8)]
    return [row.tobytes() for row in made[:count]]


def check(path: Path) -> None:
    model = path.read_bytes()
    engine, reference = Engine(model), Engine(model, kernel=plain.get)
    for vector in vectors(input_size(engine.info), max(1, min(8, MACS // engine.info.macs))):
        assert engine.infer(vector) == reference.infer(vector)


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_our_models(path: Path) -> None:
    check(path)


@pytest.mark.parametrize("name", REAL)
def test_real_models(name: str) -> None:
    path = SHARED / f"{name}.tflite"
    if not path.is_file():
        pytest.skip(f"{path} is not here: the models of this repository stand in for it")
    check(path)


def test_the_zoo() -> None:
    """Each kind of operator that the device runs, in its variations: TFLite-Micro's own outputs."""
    with np.load(GOLDEN) as stored:
        ends = [0, *stored["ends"].tolist()]
        golden = {name: stored["bytes"][ends[i] : ends[i + 1]].tobytes() for i, name in enumerate(stored["names"].tolist())}
    wrong = []
    for name, case in cases():
        engine = Engine(case.model)
        size = input_size(engine.info)
        out = b""
        for at in range(0, len(case.inputs), size):
            if not case.memory:
                engine.reset()
            out += engine.infer(case.inputs[at : at + size])
        if out != golden[name][DIGEST:]:
            wrong.append(name)
    assert wrong == []


def test_every_kernel_that_a_model_here_uses_is_in_numpy() -> None:
    """Else a tool would be slow and nobody would know why."""
    used = set()

    def get(name: str) -> ModuleType:
        used.add(name)
        return kernels.get(name)

    for path in OURS:
        Engine(path.read_bytes(), kernel=get)
    assert used >= {"gemm", "depthwise", "pool", "softmax", "int8"}
    assert {name for name in used if not kernels.get(name).__name__.startswith(kernels.__name__)} == set()


def test_numpy_is_much_faster() -> None:
    """Of processor time, in one process: the ratio is above a hundred on an idle machine."""
    model = (ROOT / "models" / "digits-1.3.0-slow.tflite").read_bytes()
    took = []
    for get in (plain.get, kernels.get):
        engine = Engine(model, kernel=get)
        vector = bytes(input_size(engine.info))
        engine.infer(vector)
        started = time.process_time()
        engine.infer(vector)
        took.append(time.process_time() - started)
    assert took[0] > 5 * took[1], took


# The arithmetic against the exact one, where it is hardest


EDGES = [0, 1, -1, 2**30, -(2**30), 2**31 - 1, -(2**31), 2**31 - 2, 1 - 2**31, 0x3FFFFFFF, -0x40000001, 12345, -54321]


def test_requantise_is_the_exact_one() -> None:
    rng = np.random.default_rng(1)
    values = np.array(EDGES + rng.integers(-(2**31), 2**31, 200).tolist())
    for q in (0, 1, 2**30, 2**31 - 1, 1518500250, int(rng.integers(2**30, 2**31))):
        for shift in (-31, -30, -9, -1, 0, 1, 7, 30):
            got = arithmetic.requantise(values, np.array(q), np.array(shift))
            assert got.tolist() == [fixedpoint.requantise(v, q, shift) for v in values.tolist()], (q, shift)


def test_the_pieces_are_the_exact_ones() -> None:
    values = np.array(EDGES)
    assert arithmetic.wrap(values * 5).tolist() == [fixedpoint.wrap(v * 5) for v in EDGES]
    for b in (0, 1, 2**31 - 1, -(2**31) + 1):
        assert arithmetic.high_mul(values, b).tolist() == [fixedpoint.high_mul(v, b) for v in EDGES]
    for e in (0, 1, 2, 15, 31):
        assert arithmetic.round_shift(values, e).tolist() == [fixedpoint.round_shift(v, e) for v in EDGES]
