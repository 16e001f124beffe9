"""Two models compared, and the gate that a release has to pass."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host.models import Command
from host.rig import BOARD, image
from mulligan_host.errors import HostError
from mulligan_host.models import compare, gate
from mulligan_host.resources import resource

A, B, BAD = (resource(f"models/digits-{version}.tflite") for version in ("1.0.0", "1.1.0", "1.2.0-bad"))
SAMPLES = 120


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Test images, in two rooms."""
    path = tmp_path / "set.npz"
    with np.load(resource("models/digits-test.npz")) as test:
        rooms = np.array(["hall", "loft"])[np.arange(SAMPLES) % 3 // 2]
        np.savez(path, x=test["x"][:SAMPLES], y=test["y"][:SAMPLES], slice_room=rooms)
    return path


def outputs(*winners: int) -> compare.Outputs:
    return np.eye(3)[list(winners)]


def small_set(**slices: "np.ndarray[Any, np.dtype[Any]]") -> compare.DataSet:
    labels = np.array([0, 1, 2, 2])
    rows = {compare.ALL: np.arange(4), "class=2": np.array([2, 3])} | slices
    return compare.DataSet(np.zeros((4, 1)), labels, rows)


def test_what_is_counted() -> None:
    result = compare.compare(outputs(0, 1, 1, 2), outputs(0, 0, 1, 2), small_set())
    share = result.shares[compare.ALL]
    assert (share.samples, share.right_a, share.right_b, share.agree, share.same) == (4, 3, 2, 3, 3)
    assert (share.accuracy_a, share.accuracy_b, share.agreement) == (0.75, 0.5, 0.75)
    assert result.shares["class=2"] == compare.Share(2, 1, 1, 2, 2)
    assert result.confusion_b.tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 1]]
    assert result.confusion_a is not None
    assert result.confusion_a.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]


def test_the_first_of_equal_outputs_wins() -> None:
    """As in the device's health check."""
    even = np.zeros((4, 3))
    assert compare.compare(None, even, small_set()).shares[compare.ALL].right_b == 1


def test_models_of_other_shapes_have_no_bytes_in_common() -> None:
    result = compare.compare(np.zeros((4, 2)), outputs(0, 0, 0, 0), small_set())
    assert result.shares[compare.ALL].agree == 4
    assert result.shares[compare.ALL].same is None


def test_the_accuracies_are_those_that_were_trained(command: Command, data: Path) -> None:
    """The classes that LiteRT's reference kernels gave when the models were made are stored beside the test split."""
    found = json.loads(command("model", "compare", A, B, "--data", data, "--json"))
    with np.load(resource("models/digits-test.npz")) as test:
        y, a, b = (test[key][:SAMPLES] for key in ("y", "digits-1.0.0", "digits-1.1.0"))
    everything = found["slices"]["all"]
    assert everything["right_a"] == (a == y).sum()
    assert everything["right_b"] == (b == y).sum()
    assert everything["agree"] == (a == b).sum()
    for label in range(10):
        share = found["slices"][f"class={label}"]
        assert (share["samples"], share["right_b"]) == ((y == label).sum(), (b[y == label] == label).sum())
        assert found["confusion"]["b"][label] == np.bincount(b[y == label], minlength=10).tolist()
    rooms = found["slices"]["room=hall"], found["slices"]["room=loft"]
    assert [room["samples"] for room in rooms] == [80, 40]
    assert sum(room["right_a"] for room in rooms) == everything["right_a"]


def test_a_table_for_people(command: Command, data: Path) -> None:
    said = command("model", "compare", A, A, "--data", data)
    assert "room=loft" in said
    assert "100.00%" in said


# The gate


def write_gate(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("rules", "passes"),
    [
        ("accuracy = 0.5", True),
        ("accuracy = 0.51", False),
        ("drop = 0.25", True),
        ("drop = 0.24", False),
        ("agreement = 0.75", True),
        ("agreement = 0.76", False),
        ("samples = 4", True),
        ("samples = 5", False),
        ("accuracy = 0.5\ndrop = 0.25\nsamples = 5", False),
    ],
)
def test_each_threshold(rules: str, passes: bool, tmp_path: Path) -> None:
    thresholds = gate.load(write_gate(tmp_path / "g.toml", f"[slices.all]\n{rules}\n"))
    result = compare.compare(outputs(0, 1, 1, 2), outputs(0, 0, 1, 2), small_set())
    assert all(verdict.passed for verdict in gate.judge(thresholds, result)) == passes
    if not passes:
        with pytest.raises(HostError, match="the gate is shut: all: "):
            gate.require(thresholds, result)


def test_a_drop_that_is_only_just_allowed(tmp_path: Path) -> None:
    """0.9 - 0.89 is a little more than 0.01 in floats; it is not to people."""
    labels = np.zeros(100, np.int64)
    a, b = (np.eye(2)[[0] * right + [1] * (100 - right)] for right in (90, 89))
    found = compare.compare(a, b, compare.DataSet(np.zeros((100, 1)), labels, {compare.ALL: np.arange(100)}))
    assert gate.judge(gate.load(write_gate(tmp_path / "g.toml", "[slices.all]\ndrop = 0.01\n")), found)[0].passed


def test_the_first_version_is_not_judged_by_what_is_not_there(tmp_path: Path) -> None:
    thresholds = gate.load(write_gate(tmp_path / "g.toml", "[slices.all]\ndrop = 0\nagreement = 1\naccuracy = 0.5\n"))
    verdicts = gate.judge(thresholds, compare.compare(None, outputs(0, 0, 1, 2), small_set()))
    assert [(verdict.rule, verdict.found, verdict.passed) for verdict in verdicts] == [
        ("drop", None, True),
        ("agreement", None, True),
        ("accuracy", 0.5, True),
    ]


def test_a_slice_that_is_not_in_the_data_fails(tmp_path: Path) -> None:
    thresholds = gate.load(write_gate(tmp_path / "g.toml", '[slices."room=attic"]\naccuracy = 0\n'))
    assert not gate.judge(thresholds, compare.compare(None, outputs(0, 1, 2, 2), small_set()))[0].passed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "slices = 3",
        "[slices]",
        "[slices.all]",
        "[slices]\nall = 0.9",
        "[slices.all]\naccuracy = 1.1",
        "[slices.all]\naccuracy = -0.1",
        "[slices.all]\naccuracy = nan",
        "[slices.all]\naccuracy = true",
        "[slices.all]\naccuracy = '0.9'",
        "[slices.all]\nspeed = 0.9",
        "[slice.all]\naccuracy = 0.9",
        "data = 3\n[slices.all]\naccuracy = 0.9",
        "[slices.all]\naccuracy = 0.9\n[more]",
        "not toml",
        "\xff\xfe",
    ],
)
def test_a_gate_that_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(HostError, match=r"g\.toml"):
        gate.load(tmp_path / "g.toml")


def test_json_will_do(tmp_path: Path) -> None:
    path = write_gate(tmp_path / "g.json", json.dumps({"data": "d.npz", "slices": {"all": {"accuracy": 0.5}}}))
    assert gate.load(path) == gate.Gate(path, tmp_path / "d.npz", {"all": {"accuracy": 0.5}})
    write_gate(path, "{")
    with pytest.raises(HostError, match=r"g\.json"):
        gate.load(path)


def test_compare_ends_with_1_where_the_gate_is_shut(command: Command, data: Path, tmp_path: Path) -> None:
    path = write_gate(tmp_path / "g.toml", 'data = "set.npz"\n[slices.all]\naccuracy = 0.8\ndrop = 0.05\n')
    assert "pass" in command("model", "compare", A, B, "--gate", path)
    said = command("model", "compare", A, BAD, "--gate", path, code=1)
    assert "the gate is shut: all: accuracy 0.0" in said
    assert "drop" in said


def test_a_release_has_to_pass(command: Command, data: Path, tmp_path: Path) -> None:
    """The first on its accuracy; then 1.1.0 against 1.0.0; the wrong one makes no release."""
    path = write_gate(tmp_path / "g.toml", f'data = "{data.name}"\n[slices.all]\naccuracy = 0.8\nagreement = 0.8\n')
    directory = tmp_path / "releases"
    build = ["release", "build", "--dir", directory, "--board", BOARD, "--correct", "0", "--gate", path]
    for version, code in (("1.0.0", 0), ("1.1.0", 0), ("1.2.0-bad", 1)):
        slot_image = tmp_path / f"{version}.mslt"
        slot_image.write_bytes(image(version))
        said = command(*build, slot_image, code=code)
        if version == "1.0.0":
            assert "gate: all: agreement nothing to judge by, at least 0.8" in said
        elif not code:
            assert "gate: all: agreement 0.9" in said
        else:
            assert "the gate is shut" in said
    assert sorted(p.stem for p in (directory / "releases").iterdir()) == ["1.0.0", "1.1.0"]


def test_a_gate_needs_data(command: Command, data: Path, tmp_path: Path) -> None:
    path = write_gate(tmp_path / "g.toml", "[slices.all]\naccuracy = 0.8\n")
    (tmp_path / "i.mslt").write_bytes(image("1.0.0"))
    build = ["release", "build", "--dir", tmp_path / "r", "--board", BOARD, "--correct", "0", tmp_path / "i.mslt"]
    assert "--data" in command(*build, "--gate", path, code=2)
    assert "--gate" in command(*build, "--data", data, code=2)
    assert "--data" in command("model", "compare", A, B, code=2)
    assert "gate: all: accuracy" in command(*build, "--gate", path, "--data", data)
