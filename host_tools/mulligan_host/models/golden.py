"""Golden vectors: which inputs tell best whether a device computes what the host does.

Few vectors have to stand for all that a model can do. So they are chosen for outputs that lie far apart, at least one for each
class where there are labels; and where there are no samples at all, inputs are made and bred until they bring such outputs out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mulligan.core import slot
from mulligan.tflite import interpreter
from mulligan.tflite.codes import FLOAT32, UINT8
from mulligan_host.errors import HostError
from mulligan_host.models.engine import Engine, Progress
from mulligan_host.models.samples import dtype, numbers

Steps = NDArray[np.float64]
COUNT = 16
TRIES = 512
"""Inputs that are tried when they have to be made."""
_NEAR = 4  # steps of an output within which inputs count as equally good to breed from


@dataclass(frozen=True)
class Golden:
    """Vectors: ``inputs`` as the model takes them, ``outputs`` as it gives them, row by row; ``labels`` if there are any."""

    inputs: list[bytes]
    outputs: NDArray[np.int8]
    values: NDArray[np.float64]
    """The outputs' bytes as the numbers that they are."""
    labels: NDArray[np.int64] | None
    classes: int
    """How many numbers the first output has: the largest of them is the winner."""

    def right(self) -> int | None:
        """Return how many vectors have their label as the winner."""
        return None if self.labels is None else int((self._won() == self.labels).sum())

    def winners(self) -> int:
        """Return how many different winners there are."""
        return len(np.unique(self._won()))

    def _won(self) -> NDArray[np.intp]:
        won: NDArray[np.intp] = self.values[:, : self.classes].argmax(axis=1)
        return won

    def span(self) -> float | None:
        """Return the part of its 256 values that an output number covers from lowest to highest, on average; None for floats."""
        if self.values.size != self.outputs.size:
            return None
        return float((self.values.max(axis=0) - self.values.min(axis=0)).mean() / 255)


def from_inputs(
    engine: Engine, inputs: Sequence[bytes], labels: NDArray[np.int64] | None, count: int, progress: Progress
) -> Golden:
    """Choose ``count`` of the inputs, all if there are no more. Raises: HostError if that is too few for one of each label."""
    rows = choose(numbers(engine.infer_all(inputs, progress), engine.info.outputs), labels, count, _classes(engine))
    return _golden(engine, [inputs[i] for i in rows], None if labels is None else labels[rows])


def _golden(engine: Engine, inputs: list[bytes], labels: NDArray[np.int64] | None) -> Golden:
    """The chosen inputs, run as a device will: in order, from the state that the model begins with."""
    engine.reset()
    outputs = engine.infer_all(inputs)
    return Golden(inputs, outputs, numbers(outputs, engine.info.outputs), labels, _classes(engine))


def _classes(engine: Engine) -> int:
    return math.prod(engine.info.outputs[0].shape)


def choose(outputs: NDArray[np.float64], labels: NDArray[np.int64] | None, count: int, first: int | None = None) -> list[int]:
    """Return the rows of ``count`` outputs that lie far apart, at least one of each label, ascending.

    Where there are labels, rows that the model gets right come first: their largest number of the first ``first`` (None: of
    all) is at the label. Raises: HostError.
    """
    if not 1 <= count <= slot.MAX_GOLDEN:
        raise HostError(f"{count} golden vectors: an image holds 1 to {slot.MAX_GOLDEN}")
    if len(outputs) <= count:
        return list(range(len(outputs)))
    chosen: list[int] = []
    nearest = np.full(len(outputs), np.inf)

    def add(candidates: NDArray[np.intp]) -> None:
        """The candidate farthest from all chosen; the one farthest from the middle to begin with."""
        away = nearest[candidates] if chosen else np.abs(outputs[candidates] - outputs.mean(axis=0)).sum(axis=1)
        row = int(candidates[away.argmax()])
        chosen.append(row)
        np.minimum(nearest, np.abs(outputs - outputs[row]).sum(axis=1), out=nearest)
        nearest[row] = -1

    right = np.ones(len(outputs), bool) if labels is None else outputs[:, :first].argmax(axis=1) == labels
    if labels is not None:
        classes = np.unique(labels)
        if len(classes) > count:
            raise HostError(f"{count} golden vectors are too few: one for each of {len(classes)} labels is needed")
        for label in classes:
            of_class = labels == label
            add(np.flatnonzero(of_class & right if (of_class & right).any() else of_class))
    while len(chosen) < count:
        left = nearest >= 0
        add(np.flatnonzero(left & right if (left & right).any() else left))
    return sorted(chosen)


def seeded(engine: Engine, count: int, seed: int, progress: Progress, tries: int = TRIES) -> Golden:
    """Make inputs by a seeded generator, and choose ``count`` whose outputs cover most of what the model can give.

    Half of the tries are noise of several kinds. The others are bred: for the output element that wins (or sinks) least so far,
    the input that brought it farthest is changed in part.
    """
    rng = np.random.default_rng(seed)
    info = engine.info
    inputs: list[Steps] = []
    outputs: list[NDArray[np.float64]] = []
    while len(inputs) < tries:
        if len(inputs) < max(count, tries // 2):
            made = _noise(info, rng, len(inputs))
        else:
            seen = np.stack(outputs)
            goal = _lead(seen) if rng.integers(4) else -seen
            # Not always the same element: it may be stuck.
            element = int((goal.max(axis=0) + rng.uniform(0, 32, seen.shape[1])).argmin())
            leaders = np.flatnonzero(goal[:, element] >= goal[:, element].max() - _NEAR)
            made = _changed(inputs[int(rng.choice(leaders))], inputs[int(rng.integers(len(inputs)))], info, rng)
        inputs.append(np.clip(np.round(made), -128, 127))
        row = np.frombuffer(engine.infer(_encode(inputs[-1], info)), np.int8)
        outputs.append(numbers(row[None], info.outputs)[0])
        progress(len(inputs))
    rows = choose(np.stack(outputs), None, count)
    return _golden(engine, [_encode(inputs[i], info) for i in rows], None)


def _lead(outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each element is above the largest other one of its row; the element itself where it has no other."""
    if outputs.shape[1] == 1:
        return outputs
    top = np.sort(outputs, axis=1)
    return outputs - np.where(outputs == top[:, -1:], top[:, -2:-1], top[:, -1:])


def _encode(steps: Steps, info: interpreter.Info) -> bytes:
    """The inputs that ``steps``, -128 to 127 for each value, stand for: int8 itself, or uint8; a float is a 32nd of it."""
    parts = []
    at = 0
    for port in info.inputs:
        part = steps[at : at + math.prod(port.shape)]
        at += len(part)
        shifted = part / 32 if port.type == FLOAT32 else part + 128 if port.type == UINT8 else part
        parts.append(shifted.astype(dtype(port)).tobytes())
    return b"".join(parts)


def _noise(info: interpreter.Info, rng: np.random.Generator, kind: int) -> Steps:
    """One vector of inputs: in turn noise over the full range, noise about zero, blobs, one value, a few spikes."""
    parts = []
    for port in info.inputs:
        size = math.prod(port.shape)
        zero = port.zero_point - (128 if port.type == UINT8 else 0)
        if kind % 5 == 0:
            values = rng.uniform(-128, 128, size)
        elif kind % 5 == 1:
            values = rng.normal(zero, 4 * 2 ** rng.uniform(0, 5), size)
        elif kind % 5 == 2:
            values = _blobs(port.shape, rng)
        elif kind % 5 == 3:
            values = np.full(size, rng.uniform(-128, 128))
        else:
            values = np.where(rng.random(size) < rng.uniform(0, 0.2), rng.uniform(-128, 128, size), zero)
        parts.append(values)
    return np.concatenate(parts)


def _blobs(shape: tuple[int, ...], rng: np.random.Generator) -> Steps:
    """Noise that changes slowly along every dimension but the last: a few random values, spread."""
    values = rng.uniform(-160, 160, [min(n, int(rng.integers(1, 6))) for n in shape[:-1]] + list(shape[-1:]))
    for axis, n in enumerate(shape[:-1]):
        values = values.take(np.arange(n) * values.shape[axis] // n, axis=axis)
    return values.reshape(-1)


def _changed(old: Steps, other: Steps, info: interpreter.Info, rng: np.random.Generator) -> Steps:
    """The vector changed: a stretch of it made noise, or noisier; or all of it weaker, stronger or shifted; or mixed."""
    kind = rng.integers(5)
    if kind == 0:
        return old * 2 ** rng.uniform(-1.5, 0.5) + rng.normal(0, 24)
    if kind == 1:
        return old + (other - old) * rng.uniform(-0.5, 0.75)
    noise = _noise(info, rng, int(rng.integers(5)))
    length = max(1, int(len(old) * 2 ** -rng.uniform(0, 6)))
    start = int(rng.integers(0, len(old) - length + 1))
    part = slice(start, start + length)
    new = old.copy()
    new[part] = noise[part] if kind == 2 else old[part] + noise[part] * rng.uniform(-0.5, 0.5)
    return new
