"""``mulligan model run``: the same bytes wherever a model runs, in the heap that was given, with counts that hold."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host.rig import image
from mulligan_host.cli import main as cli_main
from mulligan_host.micropython import MicroPython
from mulligan_host.resources import resource

DIGITS = resource("models/digits-1.0.0.tflite")
REFERENCE = resource("models/reference.npz")
PLACES = ("host", "unix", "unix32", "board")
VECTORS = 12

RunModel = Callable[..., dict[str, Any]]


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """The first vectors of the reference, raw."""
    path = tmp_path / "inputs"
    path.write_bytes(reference()["x"][:VECTORS].tobytes())
    return path


@pytest.fixture
def run_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunModel:
    """Run the command with ``--json``; return its figures and, as ``outputs``, what it wrote. Skips without the port."""

    def run(where: str, *arguments: str | Path) -> dict[str, Any]:
        out = tmp_path / f"{where}.out"
        options = ["--on", where, "--out", out, "--json"]
        monkeypatch.setattr(sys, "argv", ["mulligan", "model", "run", *map(str, arguments), *map(str, options)])
        with pytest.raises(SystemExit) as ended:
            cli_main.main()
        said = capsys.readouterr()
        assert ended.value.code == 0, said.err
        return {**json.loads(said.out), "outputs": out.read_bytes()}

    return run


def reference() -> dict[str, np.ndarray[Any, Any]]:
    with np.load(REFERENCE) as arrays:
        return dict(arrays)


def has(ports: list[MicroPython], where: str) -> bool:
    return where == "host" or any(mp.bits == (64 if where == "unix" else 32) for mp in ports)


@pytest.mark.parametrize("where", PLACES)
def test_the_reference_outputs_come_from_everywhere(
    where: str, run_model: RunModel, inputs: Path, micropythons: list[MicroPython]
) -> None:
    if not has(micropythons, where):
        pytest.skip(f"no port for {where}")
    facts = run_model(where, DIGITS, "--inputs", inputs)
    assert facts["outputs"] == reference()["digits-1.0.0"][:VECTORS].tobytes()
    assert facts["vectors"] == VECTORS
    assert facts["ns_per_mac"] > 0
    assert facts["clock"] == ("virtual" if where == "board" else "wall")
    if where != "host":
        assert facts["arena"] < facts["peak_heap"] < facts["heap"]


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0", "1.2.0-bad", "1.3.0-slow"])
def test_accuracy_on_the_device_is_the_hosts(version: str, run_model: RunModel, micropythons: list[MicroPython]) -> None:
    """Over the whole test split, on both ports: the same bytes as here, so the same classes, so the same accuracy."""
    model = resource(f"models/digits-{version}.tflite")
    test = resource("models/digits-test.npz")
    outputs = {where: run_model(where, model, "--inputs", test)["outputs"] for where in PLACES[:3] if has(micropythons, where)}
    assert len(outputs) > 1
    assert len(set(outputs.values())) == 1
    with np.load(test) as split:
        classes = np.frombuffer(outputs["host"], np.int8).reshape(-1, 10).argmax(axis=1)
        assert len(classes) == len(split["y"]) == 719
        assert (classes == split[f"digits-{version}"]).all()  # as the reference kernels of LiteRT gave when it was trained


def test_all_read_the_same(run_model: RunModel, inputs: Path, micropythons: list[MicroPython]) -> None:
    """The counts are those of the model's weights, and the same wherever it runs; a smaller stream only cuts them up."""
    counts = {}
    for where in [place for place in PLACES if has(micropythons, place)]:
        facts = run_model(where, DIGITS, "--inputs", inputs)
        counts[where] = facts["reads"], facts["bytes_read"]
        cut = run_model(where, DIGITS, "--inputs", inputs, "--stream", "100")
        assert cut["outputs"] == facts["outputs"]
        assert cut["bytes_read"] == facts["bytes_read"]
        assert cut["reads"] >= facts["bytes_read"] / 100 > facts["reads"]
    assert len(set(counts.values())) == 1, counts
    assert 16384 < facts["bytes_read"] < DIGITS.stat().st_size


def test_an_npz_is_quantised_as_a_release_would(run_model: RunModel) -> None:
    """Raw pixels as floats, and the int8 bytes that the model takes, are the same inputs."""
    pixels = run_model("host", DIGITS, "--inputs", resource("models/golden.npz"))
    assert pixels["vectors"] == 16
    with np.load(resource("models/digits-test.npz")) as test, np.load(resource("models/golden.npz")) as golden:
        rows = [next(i for i, x in enumerate(test["x"]) if (x == wanted).all()) for wanted in golden["x"]]
        classes = test["digits-1.0.0"][rows]
    outputs = np.frombuffer(pixels["outputs"], np.int8).reshape(16, 10)
    assert (outputs.argmax(axis=1) == classes).all()


def test_a_slot_image_runs_like_its_model(run_model: RunModel, inputs: Path, tmp_path: Path) -> None:
    packed = tmp_path / "digits.mslt"
    packed.write_bytes(image("1.0.0"))
    assert run_model("host", packed, "--inputs", inputs)["outputs"] == reference()["digits-1.0.0"][:VECTORS].tobytes()


@pytest.mark.parametrize("where", ["host", "unix32", "board"])
def test_fresh_gives_the_same_for_a_model_without_state(
    where: str, run_model: RunModel, inputs: Path, micropythons: list[MicroPython]
) -> None:
    if not has(micropythons, where):
        pytest.skip(f"no port for {where}")
    inputs.write_bytes(inputs.read_bytes()[: 3 * 64])
    assert run_model(where, DIGITS, "--inputs", inputs, "--fresh")["outputs"] == reference()["digits-1.0.0"][:3].tobytes()


def test_a_heap_that_is_too_small_is_the_whole_heap(
    run_model: RunModel, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    micropython32: MicroPython,
) -> None:  # fmt: skip
    """What the error says is the least, is: there the model runs, and 1 KB below it does not."""
    where = "unix32" if micropython32.bits == 32 else "unix"

    def refused(heap: str) -> str:
        words = ["mulligan", "model", "run", DIGITS, "--inputs", inputs, "--on", where, "--heap", heap, "--out", tmp_path / "no"]
        monkeypatch.setattr(sys, "argv", [str(word) for word in words])
        with pytest.raises(SystemExit) as ended:
            cli_main.main()
        assert ended.value.code == 1
        assert not (tmp_path / "no").exists()
        return capsys.readouterr().err

    said = refused("8k")
    least = int(said.rpartition(" is ")[2].strip().removesuffix("k"))
    assert run_model(where, DIGITS, "--inputs", inputs, "--heap", f"{least}k")["heap"] == least * 1024
    assert f" is {least}k" in refused(f"{least - 1}k")
