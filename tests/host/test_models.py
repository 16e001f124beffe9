"""The committed models are the ones models.json describes, and what is claimed of them follows from what is stored."""

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MODELS = Path(__file__).parents[2] / "models"
ENTRIES = json.loads((MODELS / "models.json").read_text())
FIRST, BETTER, BAD, SLOW = "digits-1.0.0", "digits-1.1.0", "digits-1.2.0-bad", "digits-1.3.0-slow"
STEMS = (FIRST, BETTER, BAD, SLOW)
GOOD = (FIRST, BETTER, SLOW)
NPZ = ("golden.npz", "digits-test.npz", "reference.npz")
# BuiltinOperator in TensorFlow's schema.fbs.
BUILTIN = {
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    9: "FULLY_CONNECTED",
    17: "MAX_POOL_2D",
    22: "RESHAPE",
    25: "SOFTMAX",
}


def load(name: str) -> dict[str, np.ndarray]:
    with np.load(MODELS / name, allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def entry(stem: str) -> dict[str, Any]:
    return dict(ENTRIES[f"{stem}.tflite"])


def field(blob: bytes, table: int, index: int) -> int:
    """Where field ``index`` of a FlatBuffers table lies in ``blob``; 0 if it is absent."""
    vtable = table - struct.unpack_from("<i", blob, table)[0]
    if 4 + 2 * index >= struct.unpack_from("<H", blob, vtable)[0]:
        return 0
    offset: int = struct.unpack_from("<H", blob, vtable + 4 + 2 * index)[0]
    return table + offset if offset else 0


def follow(blob: bytes, at: int) -> int:
    return at + int(struct.unpack_from("<I", blob, at)[0])


def tables(blob: bytes, at: int) -> list[int]:
    """The tables of the vector that the field at ``at`` points to."""
    vector = follow(blob, at)
    count = struct.unpack_from("<I", blob, vector)[0]
    return [follow(blob, vector + 4 + 4 * i) for i in range(count)]


def running_order(blob: bytes) -> list[str]:
    """The op names of the only subgraph, read from the flatbuffer (schema.fbs) and from nothing else."""
    model = follow(blob, 0)
    codes = []
    for table in tables(blob, field(blob, model, 1)):
        old, new = field(blob, table, 0), field(blob, table, 3)
        codes.append(max(blob[old] if old else 0, struct.unpack_from("<i", blob, new)[0] if new else 0))
    (graph,) = tables(blob, field(blob, model, 2))
    order = []
    for operator in tables(blob, field(blob, graph, 3)):
        index = field(blob, operator, 0)
        order.append(BUILTIN[codes[struct.unpack_from("<I", blob, index)[0] if index else 0]])
    return order


def test_every_model_is_described_and_every_description_has_its_model() -> None:
    assert {path.name for path in MODELS.glob("*.tflite")} == set(ENTRIES) == {f"{stem}.tflite" for stem in STEMS}


@pytest.mark.parametrize("stem", STEMS)
def test_file_is_the_one_described(stem: str) -> None:
    blob = (MODELS / f"{stem}.tflite").read_bytes()
    assert blob[4:8] == b"TFL3"
    assert hashlib.sha256(blob).hexdigest() == entry(stem)["sha256"]
    assert len(blob) == entry(stem)["bytes"]
    assert 20 * 1024 <= len(blob) <= 100 * 1024
    assert running_order(blob) == entry(stem)["ops"]


@pytest.mark.parametrize("stem", STEMS)
def test_accuracy_follows_from_the_stored_classes(stem: str) -> None:
    test = load("digits-test.npz")
    right = int((test[stem] == test["y"]).sum())
    assert (right, len(test["y"])) == (entry(stem)["test_right"], entry(stem)["test_total"])
    assert entry(stem)["accuracy"] == round(right / len(test["y"]), 4)


def test_claims() -> None:
    accuracy = {stem: entry(stem)["accuracy"] for stem in STEMS}
    macs = {stem: entry(stem)["macs"] for stem in STEMS}
    assert accuracy[BETTER] > accuracy[FIRST] > 0.9
    assert accuracy[SLOW] >= accuracy[FIRST]
    assert accuracy[BAD] <= 0.3
    assert macs[FIRST] == macs[BETTER] == macs[BAD]
    assert 8 * macs[FIRST] <= macs[SLOW] <= 3_000_000
    for stem in STEMS:
        assert (macs[stem] <= entry(stem)["latency_budget_macs"]) == (stem != SLOW)


@pytest.mark.parametrize("stem", [FIRST, BETTER, BAD])
def test_versions_that_share_an_architecture_differ(stem: str) -> None:
    assert entry(stem)["ops"] == entry(FIRST)["ops"]
    assert sum(e["sha256"] == entry(stem)["sha256"] for e in ENTRIES.values()) == 1


@pytest.mark.parametrize("name", NPZ)
def test_arrays_are_plain_numbers(name: str) -> None:
    assert all(array.dtype.kind in "iuf" for array in load(name).values())


def test_arrays_are_small() -> None:
    assert sum((MODELS / name).stat().st_size for name in NPZ) < 150_000


def test_test_split() -> None:
    test = load("digits-test.npz")
    assert set(test) == {"x", "y", *STEMS}
    assert test["x"].shape == (len(test["y"]), 8, 8, 1)
    assert test["x"].dtype == np.uint8
    assert test["x"].max() == 16
    assert set(test["y"]) == set(range(10))


@pytest.mark.parametrize("stem", STEMS)
def test_reference_outputs_agree_with_the_stored_classes(stem: str) -> None:
    reference, classes = load("reference.npz"), load("digits-test.npz")[stem]
    assert reference[stem].shape == (200, 10)
    assert reference[stem].dtype == np.int8
    assert np.array_equal(reference[stem].argmax(axis=1), classes[:200])


def test_reference_inputs_are_the_first_of_the_test_split_quantised() -> None:
    reference, test = load("reference.npz"), load("digits-test.npz")
    assert set(reference) == {"x", *STEMS}
    assert reference["x"].dtype == np.int8
    assert np.array_equal(reference["x"], np.minimum(test["x"][:200].astype(int) * 16, 255) - 128)


def test_golden_vectors_cover_every_class() -> None:
    golden = load("golden.npz")
    assert golden["x"].shape == (16, 8, 8, 1)
    assert golden["x"].dtype == np.float32
    assert golden["x"].min() == 0
    assert golden["x"].max() == 16
    assert golden["y"].shape == (16,)
    assert set(golden["y"].tolist()) == set(range(10))


def test_good_models_get_every_golden_vector_right_and_the_bad_one_does_not() -> None:
    golden, test = load("golden.npz"), load("digits-test.npz")
    rows = []
    for x in golden["x"]:
        (row,) = np.flatnonzero((test["x"] == x).all(axis=(1, 2, 3)))
        rows.append(row)
    assert len(set(rows)) == len(rows)
    assert np.array_equal(golden["y"], test["y"][rows])
    for stem in GOOD:
        assert np.array_equal(test[stem][rows], golden["y"])
    assert (test[BAD][rows] == golden["y"]).mean() <= 0.3
