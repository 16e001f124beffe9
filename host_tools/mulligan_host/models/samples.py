"""Inputs for models: samples in real units, the bytes a model takes, and the files that hold either."""

import io
import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mulligan.core import slot
from mulligan.tflite import loader
from mulligan_host import files
from mulligan_host.errors import HostError

_NPZ = b"PK\x03\x04"


@dataclass(frozen=True)
class Samples:
    """Inputs ``x`` (n, …), float or integer in the model's real units, or int8 as the model takes it; labels ``y`` (n,)."""

    x: NDArray[np.generic]
    y: NDArray[np.int64]


def load_samples(path: Path) -> Samples:
    """Return the arrays x and y of an .npz file. Raises: HostError, OSError."""
    arrays = _arrays(files.read(path))
    if arrays is None or not {"x", "y"} <= arrays.keys():
        raise HostError(f"{path}: not an .npz with arrays x and y")
    x, y = arrays["x"], arrays["y"]
    if x.ndim < 1 or y.ndim != 1 or len(x) != len(y) or not len(x):
        raise HostError(f"{path}: x is {x.shape} and y is {y.shape}: as many samples as labels are needed, one at least")
    _check_numbers(path, x)
    if y.dtype.kind not in "iu":
        raise HostError(f"{path}: labels are integers; here are {y.dtype}")
    if y.min() < 0 or y.max() >= slot.NO_LABEL:
        raise HostError(f"{path}: a label is 0 to {slot.NO_LABEL - 1}")
    return Samples(x, y.astype(np.int64))


def load_inputs(path: Path, info: loader.Info) -> list[bytes]:
    """Return the inputs in ``path`` as the bytes the model takes: those of an .npz's array x, or raw, back to back.

    A model's inputs follow each other in order, in x too. Raises: HostError, OSError.
    """
    raw = files.read(path, 1 << 30)
    size = input_size(info)
    if raw.startswith(_NPZ):
        arrays = _arrays(raw)
        if arrays is None or "x" not in arrays:
            raise HostError(f"{path}: not an .npz with an array x")
        x = arrays["x"]
        if x.ndim < 1 or not len(x):
            raise HostError(f"{path}: x is {x.shape}: one sample at least is needed")
        _check_numbers(path, x)
        return quantise(x, info)
    if not raw or len(raw) % size:
        raise HostError(f"{path}: {len(raw)} bytes are not one or more inputs of {size}, which is what the model takes")
    return [raw[at : at + size] for at in range(0, len(raw), size)]


def input_size(info: loader.Info) -> int:
    """Return the bytes of one vector of inputs."""
    return sum(math.prod(port.shape) for port in info.inputs)


def output_size(info: loader.Info) -> int:
    """Return the bytes of one vector of outputs."""
    return sum(math.prod(port.shape) for port in info.outputs)


def quantise(x: NDArray[np.generic], info: loader.Info) -> list[bytes]:
    """Return each sample of ``x`` as the bytes of the model's inputs, out-of-range values clamped. Raises: HostError."""
    flat = x.reshape(len(x), -1)
    if flat.shape[1] != input_size(info):
        raise HostError(f"samples have {flat.shape[1]} values, the model takes {input_size(info)}")
    if flat.dtype == np.int8:
        return [row.tobytes() for row in flat]
    parts = []
    at = 0
    for port in info.inputs:
        part = flat[:, at : at + math.prod(port.shape)].astype(np.float64)
        steps = np.floor(part / float32(port.scale_bits) + 0.5) + port.zero_point
        parts.append(np.clip(steps, -128, 127).astype(np.int8))
        at += part.shape[1]
    return [row.tobytes() for row in np.concatenate(parts, axis=1)]


def float32(bits: int) -> float:
    """Return the number that the bits of a float32 stand for."""
    value: float = struct.unpack("<f", struct.pack("<I", bits))[0]
    return value


def _arrays(raw: bytes) -> dict[str, NDArray[np.generic]] | None:
    """The arrays of an .npz; None if it is none."""
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as data:
            return dict(data.items())
    except Exception:  # NumPy and zipfile have many ways to say it
        return None


def _check_numbers(path: Path, x: NDArray[np.generic]) -> None:
    if x.dtype.kind not in "iuf" or not np.isfinite(x).all():
        raise HostError(f"{path}: samples are finite numbers; here are {x.dtype}")
