"""Two models on one data set: how often each is right, slice by slice, and how often they agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mulligan_host import files
from mulligan_host.errors import HostError
from mulligan_host.models.engine import Engine, Progress
from mulligan_host.models.samples import arrays_of, check_samples, numbers, quantise, size

Outputs = NDArray[np.float64]
ALL = "all"
SLICE_PREFIX = "slice_"


@dataclass(frozen=True)
class DataSet:
    """Samples ``x`` and labels ``y``, and for each slice the rows that are in it.

    Slices are "all", "class=3" for each label, and "room=hall" for each value of an array slice_room.
    """

    x: NDArray[np.generic]
    y: NDArray[np.int64]
    slices: Mapping[str, NDArray[np.intp]]


@dataclass(frozen=True)
class Share:
    """Of ``samples`` in a slice, how many model A and B get right, for how many they agree, and give the same bytes."""

    samples: int
    right_a: int | None
    right_b: int
    agree: int | None
    same: int | None

    @property
    def accuracy_a(self) -> float | None:
        return None if self.right_a is None else self.right_a / self.samples

    @property
    def accuracy_b(self) -> float:
        return self.right_b / self.samples

    @property
    def agreement(self) -> float | None:
        return None if self.agree is None else self.agree / self.samples


@dataclass(frozen=True)
class Comparison:
    """``shares`` by slice; ``confusion_a`` and ``confusion_b``: how often label (row) was taken for class (column)."""

    shares: Mapping[str, Share]
    confusion_a: NDArray[np.int64] | None
    confusion_b: NDArray[np.int64]


def load_data_set(path: Path) -> DataSet:
    """Read an .npz with x, y, and any arrays slice_NAME. Raises: HostError, OSError."""
    arrays = arrays_of(path, files.read(path, 1 << 30))
    samples = check_samples(path, arrays)
    labels = samples.y
    if labels is None:
        raise HostError(f"{path}: without an array y, the labels, nothing is right or wrong")
    slices = {ALL: np.arange(len(labels))}
    slices |= {f"class={label}": np.flatnonzero(labels == label) for label in np.unique(labels)}
    for key in sorted(arrays):
        if key.startswith(SLICE_PREFIX):
            values = arrays[key]
            if values.shape != labels.shape or values.dtype.kind not in "iubUS":
                raise HostError(f"{path}: {key} is {values.dtype}{values.shape}: one text or integer for each sample is needed")
            texts = values.astype(str)
            name = key.removeprefix(SLICE_PREFIX)
            slices |= {f"{name}={value}": np.flatnonzero(texts == value) for value in np.unique(texts)}
    return DataSet(samples.x, labels, slices)


def run(model: bytes, data: DataSet, progress: Progress) -> Outputs:
    """Return the first output of a model for the samples of ``data``, a row of numbers each. Raises: ModelError, HostError."""
    engine = Engine(model)
    ports = engine.info.outputs[:1]
    return numbers(engine.infer_all(quantise(data.x, engine.info), progress)[:, : size(ports[0])], ports)


def compare(a: Outputs | None, b: Outputs, data: DataSet) -> Comparison:
    """Compare the outputs of models A (None: there is none) and B for the samples of ``data``, a row each.

    The class of an output is its largest element, the first of them, as in the device's health check.
    """
    labels = data.y
    won_b = b.argmax(axis=1)
    won_a = None if a is None else a.argmax(axis=1)
    comparable = a is not None and a.shape == b.shape
    shares = {}
    for name, rows in data.slices.items():
        shares[name] = Share(
            len(rows),
            None if won_a is None else int((won_a[rows] == labels[rows]).sum()),
            int((won_b[rows] == labels[rows]).sum()),
            None if won_a is None else int((won_a[rows] == won_b[rows]).sum()),
            int((a[rows] == b[rows]).all(axis=1).sum()) if a is not None and comparable else None,
        )
    return Comparison(shares, None if a is None or won_a is None else _confusion(labels, won_a, a), _confusion(labels, won_b, b))


def _confusion(labels: NDArray[np.int64], won: NDArray[np.intp], outputs: Outputs) -> NDArray[np.int64]:
    table = np.zeros((int(labels.max()) + 1, outputs.shape[1]), np.int64)
    np.add.at(table, (labels, won), 1)
    return table


def as_lists(table: NDArray[np.int64] | None) -> Sequence[Sequence[int]] | None:
    """A confusion matrix for JSON."""
    return None if table is None else table.tolist()
