"""The real models beside the repository (../shared) give TFLite-Micro's bytes, those that remember over whole sequences.

The outputs are in data/shared.npz, by the model's SHA-256, made with TFLite-Micro as make_zoo says: `INPUTS` inputs of
``RandomState(1)`` for each model, `STEPS` for a streaming one. mnist_lstm brings TFLite-Micro's outputs itself.
"""

import hashlib
import math
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mulligan.tflite import loader
from mulligan_host.build import build_package
from mulligan_host.micropython import MicroPython
from tflite.models import BytesSource

TESTS = Path(__file__).parents[1]
SHARED = TESTS.parent.parent / "shared"
GOLDEN = Path(__file__).parent / "data" / "shared.npz"
INPUTS = 2
STEPS = 40
READ_VARIABLE = 143


def jobs() -> list[tuple[str, bytes, bytes, bool]]:
    """(file, model, inputs, whether these are one sequence) of each model."""
    paths = sorted(SHARED.glob("models/*.tflite")) + sorted(SHARED.glob("pairs/*/*.bin"))
    if not paths:
        pytest.skip(f"no {SHARED}: real models are not tried")
    found = []
    for path in paths:
        model = path.read_bytes()
        info = loader.inspect(BytesSource(model))
        memory = READ_VARIABLE in info.ops
        size = sum(math.prod(port.shape) for port in info.inputs)
        given = path.with_suffix(".in")
        if given.exists():
            inputs = given.read_bytes()
        else:
            values: np.ndarray = np.random.RandomState(1).randint(-128, 128, size * (STEPS if memory else INPUTS))
            inputs = values.astype(np.int8).tobytes()
        found.append((str(path.relative_to(SHARED)), model, inputs, memory))
    return found


@pytest.mark.upy
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("bits", [64, 32])
def test_on_micropython(bits: int, mapped: bool, micropythons: list[MicroPython], tmp_path: Path) -> None:
    mp = next((mp for mp in micropythons if mp.bits == bits), None)
    if mp is None:
        pytest.skip(f"no {bits}-bit MicroPython")
    work = jobs()
    pack, outputs = tmp_path / "pack", tmp_path / "outputs"
    pack.write_bytes(b"".join(struct.pack("<4I", len(m), len(x), memory, mapped) + m + x for _, m, x, memory in work))
    command = mp.command(TESTS / "tflite" / "run_models.py", build_package(mp), pack, outputs, heap="4M")
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    found = outputs.read_bytes()
    wrong = []
    with np.load(GOLDEN) as golden:
        for name, model, _, _ in work:
            given = (SHARED / name).with_suffix(".out")
            digest = hashlib.sha256(model).hexdigest()
            expected = given.read_bytes() if given.exists() else golden[digest].tobytes()
            if found[: len(expected)] != expected:
                wrong.append(name)
            found = found[len(expected) :]
    assert wrong == []
    assert not found
