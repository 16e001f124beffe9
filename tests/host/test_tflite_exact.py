"""The device's interpreter gives the reference kernels' bytes: models/reference.npz, made with ai-edge-litert 1.2.0 BUILTIN_REF.

A sample on CPython, all of it on each real MicroPython, compiled as for the chip.
"""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from mulligan.tflite.interpreter import Interpreter
from mulligan_host.build import build_package
from mulligan_host.micropython import MicroPython

TESTS = Path(__file__).parents[1]
MODELS = TESTS.parent / "models"
STEMS = sorted(path.stem for path in MODELS.glob("*.tflite"))
SAMPLE = 20
SMALL_HEAP = "128k"


class BytesSource:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def readinto(self, offset: int, buf: bytearray) -> None:
        buf[:] = self._data[offset : offset + len(buf)]


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    with np.load(MODELS / "reference.npz") as arrays:
        return dict(arrays)


def test_every_model_has_a_reference(reference: dict[str, np.ndarray]) -> None:
    assert STEMS
    assert set(reference) == {"x", *STEMS}
    assert len(reference["x"]) >= 200


@pytest.mark.parametrize("stem", STEMS)
def test_cpython(stem: str, reference: dict[str, np.ndarray]) -> None:
    model = Interpreter(BytesSource((MODELS / f"{stem}.tflite").read_bytes()))
    for x, y in zip(reference["x"][:SAMPLE], reference[stem][:SAMPLE], strict=True):
        model.input(0)[:] = x.tobytes()
        model.invoke()
        assert bytes(model.output(0)) == y.tobytes()


@pytest.mark.upy
@pytest.mark.parametrize("stem", STEMS)
def test_micropython(stem: str, reference: dict[str, np.ndarray], micropythons: list[MicroPython], tmp_path: Path) -> None:
    inputs = tmp_path / "x"
    inputs.write_bytes(reference["x"].tobytes())
    for mp in micropythons:
        outputs = tmp_path / mp.label
        script = TESTS / "tflite" / "run_model.py"
        # The 32-bit port's heap is an ESP32's; 64-bit objects take twice the room.
        heap = SMALL_HEAP if mp.bits == 32 else "256k"
        command = mp.command(script, build_package(mp), MODELS / f"{stem}.tflite", inputs, outputs, heap=heap)
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.split()[0] == ("viper" if mp.has_native else "plain")
        y = np.frombuffer(outputs.read_bytes(), np.int8).reshape(reference[stem].shape)
        assert np.array_equal(y, reference[stem]), f"{(y != reference[stem]).any(axis=1).sum()} outputs differ on {mp}"
