"""The real models of ../shared/models on both word sizes: the outputs of the reference kernels, a bounded heap, few reads."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from host import shared_models
from mulligan.tflite.codes import INT8
from mulligan.tflite.graph import Graph
from mulligan_host.build import build_package
from mulligan_host.micropython import MicroPython
from mulligan_host.models.source import ByteSource

RUNNER = Path(__file__).parents[1] / "tflite" / "run_model.py"
# KiB of heap on the 32-bit port, everything included, that a model is held to: the bars of docs/PERFORMANCE.md.
HEAP = {
    "hello_world_int8": 27,
    "micro_speech_quantized": 38,
    "mlperf_ad01_int8": 34,
    "mlperf_kws": 46,
    "person_detect": 100,
}


@pytest.fixture(params=shared_models.NAMES)
def model(request: pytest.FixtureRequest) -> Path:
    path: Path = shared_models.MODELS / f"{request.param}.tflite"
    if not path.is_file():
        pytest.skip(f"no {path.name} beside the repository, in ../shared/models")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest == shared_models.golden()[path.stem]["sha256"], "another model than the outputs were made with"
    return path


@pytest.mark.upy
def test_outputs_are_the_references(model: Path, micropythons: list[MicroPython], tmp_path: Path) -> None:
    """200 inputs; all but the first run with the heap locked."""
    facts = shared_models.golden()[model.stem]
    size, expected = int(str(facts["output"])), str(facts["crcs"]).split()
    (tmp_path / "x").write_bytes(b"".join(shared_models.inputs(model.stem, int(str(facts["input"])))))
    for mp in micropythons:
        (tmp_path / f"p{mp.bits}").symlink_to(build_package(mp))
        command = mp.command(RUNNER, f"p{mp.bits}", model, "x", "y", heap="512k")
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL, cwd=tmp_path)
        assert done.returncode == 0, f"{mp}: {done.stdout + done.stderr}"
        kernels, reads = done.stdout.split()
        assert kernels == ("viper" if mp.has_native else "plain")
        outputs = (tmp_path / "y").read_bytes()
        found = shared_models.crcs([outputs[i : i + size] for i in range(0, len(outputs), size)])
        assert len(found) == shared_models.COUNT
        assert [i for i, (a, b) in enumerate(zip(found, expected, strict=True)) if a != b] == [], mp.label
        assert int(reads) <= most_reads(model.read_bytes())


def most_reads(data: bytes) -> int:
    """1.1 times the weights by 4096, and 2 for each layer."""
    graph = Graph(ByteSource(data))
    constants = [graph.tensor(i) for i in range(graph.tensor_count)]
    weights = sum(t.bytes for t in constants if t.data and t.type == INT8)
    return int(1.1 * weights / 4096 + 2 * graph.op_count)


@pytest.mark.upy
def test_a_heap_of_that_size_is_enough(model: Path, micropythons: list[MicroPython], tmp_path: Path) -> None:
    from mulligan_host.models.run import RUNTIME

    mp = next((mp for mp in micropythons if mp.bits == 32), None)
    if mp is None:
        pytest.skip("no 32-bit port")
    facts = shared_models.golden()[model.stem]
    given = shared_models.inputs(model.stem, int(str(facts["input"])))[:2]
    (tmp_path / "x").write_bytes(b"".join(given))
    (tmp_path / "p").symlink_to(build_package(mp))
    (tmp_path / "r").symlink_to(build_package(mp, RUNTIME))
    command = mp.command("-m", "run", model, "x", "y", "4096", "0", "0", heap=f"{HEAP[model.stem]}k")
    environment = {**os.environ, "MICROPYPATH": "r:p"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    size = int(str(facts["output"]))
    outputs = (tmp_path / "y").read_bytes()
    assert shared_models.crcs([outputs[:size], outputs[size:]]) == str(facts["crcs"]).split()[:2]
