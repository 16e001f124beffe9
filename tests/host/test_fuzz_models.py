"""Damaged models, in great numbers, on the real MicroPython ports and on CPython: only ModelError may come out of them.

``make fuzz`` tries 50 times ``$FUZZ_EXAMPLES`` mutants (a million) on the ports, ``make test`` 7,500; CPython, whose plain
kernels are slow, a hundredth. Each mutant is made from its number alone: fuzz_models.py says which one failed.
"""

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from host import zoo
from host.modelbuild import Subgraph, build
from mulligan.core.errors import ModelError
from mulligan.tflite import flatbuffer, loader
from mulligan_host.build import build_package
from mulligan_host.micropython import MicroPython
from tflite import fuzz_models
from tflite.models import BytesSource, Random

pytestmark = pytest.mark.fuzz

TESTS = Path(__file__).parents[1]
MODELS = TESTS.parent / "models"
_MUTANTS = 50 * int(os.environ.get("FUZZ_EXAMPLES", "150"))
_BATCH = min(20000, _MUTANTS // 4)  # mutants of a process
_WORK = 20000  # multiply-accumulates that a survivor is run for, at most
_SECONDS = 1800  # for a batch that hangs; far above what any takes
_LARGEST = 6000  # bytes of a model


def _fields(model: bytes, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Positions of all that is read of a model to check it, but its constants."""
    seen = set()
    find: Callable[[flatbuffer.Reader, int, int], int] = flatbuffer.Reader._find

    def spy(self: flatbuffer.Reader, at: int, n: int) -> int:
        seen.add(at)
        return find(self, at, n)

    with monkeypatch.context() as patch:
        patch.setattr(flatbuffer.Reader, "_find", spy)
        loader.inspect(BytesSource(model))
    return sorted(seen)


@pytest.fixture
def pack(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """`fuzz_models`' PACK, of the zoo and of a real model."""
    models = [case.model for _, case in zoo.cases() if len(case.model) <= _LARGEST]
    models += [(MODELS / "digits-1.0.0.tflite").read_bytes()]
    parts = []
    for model in models:
        fields = _fields(model, monkeypatch)
        parts.append(struct.pack("<2I", len(model), len(fields)) + model + struct.pack(f"<{len(fields)}I", *fields))
    return b"".join(parts)


def test_on_micropython(pack: bytes, micropythons: list[MicroPython], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pack"
    path.write_bytes(pack)

    def batch(job: tuple[MicroPython, int]) -> tuple[int, int]:
        mp, first = job
        n = min(_BATCH, _MUTANTS - first)
        arguments = (build_package(mp), path, first, n, _WORK)
        command = mp.command(TESTS / "tflite" / "fuzz_models.py", *map(str, arguments), heap="8M")
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"{mp.label}, from {first} on: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        tried, ran = map(int, done.stdout.split())
        assert tried == n
        return tried, ran

    # The ports take turns, so that each mutant is another one.
    firsts = range(0, _MUTANTS, _BATCH)
    jobs = [(micropythons[i % len(micropythons)], first) for i, first in enumerate(firsts)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(batch, jobs))
    tried, ran = (sum(column) for column in zip(*results, strict=True))
    assert tried == _MUTANTS
    assert ran > tried // 50
    with capsys.disabled():
        sys.stdout.write(f"\n{tried} damaged models on {len(micropythons)} ports, {ran} of them ran: only ModelError came out\n")


def test_on_cpython(pack: bytes) -> None:
    tried, _ = fuzz_models.fuzz(pack, 1 << 24, _MUTANTS // 100, 2000, fuzz_models.library())
    assert tried == _MUTANTS // 100


@pytest.mark.parametrize("seed", range(3))
def test_noise(seed: int) -> None:
    """Bytes that are no model at all."""
    inspect, _, model_error, _ = fuzz_models.library()
    random = Random(seed)
    for n in range(0, 400, 7):
        with pytest.raises(model_error):
            inspect(BytesSource(random.fill(bytearray(n))))
        with pytest.raises(model_error):
            inspect(BytesSource(b"\x1c\0\0\0TFL3" + bytes(random.fill(bytearray(n)))))


def _concatenation(inputs: int, outputs: int) -> bytes:
    g = Subgraph()
    x, y, z = (g.activation((1, n), 0.5) for n in (4, 4, 8))
    g.op("RELU", [x], [y])
    g.op("CONCATENATION", [x, -1, y][:inputs], [z][:outputs], "ConcatenationOptions", Axis=1)
    g.inputs, g.outputs = [x], [z if outputs else y]
    return build(g)


def _reshaped_state() -> bytes:
    g = Subgraph()
    x, y = g.activation((1, 3), 0.5), g.activation((1, 2), 0.5)
    state, out = g.activation((1, 8), 0.5, variable=True), g.activation((8,), 0.5)
    w, t = g.constant(np.ones((2, 3), np.int8), 0.5), g.constant(np.ones((2, 4), np.int8), 0.5)
    g.op("SVDF", [x, w, t, g.constant(np.zeros(2, np.int32), 0.25), state], [y], "SVDFOptions", Rank=1)
    g.op("RESHAPE", [state], [out], "ReshapeOptions")
    g.inputs, g.outputs = [x], [y, out]
    return build(g)


_FOUND = {
    "left-out": _concatenation(3, 1),
    "none": _concatenation(1, 0),
    "empty": _concatenation(0, 1),
    "state": _reshaped_state(),
}


@pytest.mark.parametrize("name", _FOUND)
def test_found_by_fuzzing(name: str) -> None:
    with pytest.raises(ModelError):
        loader.inspect(BytesSource(_FOUND[name]))
