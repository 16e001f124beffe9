"""Inputs for models: samples in real units, the bytes a model takes, and the files that hold either."""

import io
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulligan.core import slot
from mulligan.tflite import interpreter
from mulligan.tflite.codes import FLOAT32, UINT8
from mulligan_host import files
from mulligan_host.errors import HostError

Arrays = dict[str, NDArray[Any]]
_NPZ = b"PK\x03\x04"


@dataclass(frozen=True)
class Samples:
    """Inputs ``x`` (n, …), float or integer in the model's real units; or int8: the bytes that the model takes.

    ``y`` (n,): their labels, None if there are none; ``outputs`` (n, …): what a model gave for them, byte for byte, or None.
    """

    x: NDArray[np.generic]
    y: NDArray[np.int64] | None = None
    outputs: NDArray[np.int8] | None = None


def load_samples(path: Path) -> Samples:
    """Return the array x of an .npz file, and y and outputs if it has them. Raises: HostError, OSError."""
    return check_samples(path, arrays_of(path, files.read(path)))


def check_samples(path: Path, arrays: Arrays) -> Samples:
    """Return x, y and outputs of the ``arrays`` that were in ``path``. Raises: HostError."""
    if "x" not in arrays:
        raise HostError(f"{path}: not an .npz with an array x")
    x, y, outputs = arrays["x"], arrays.get("y"), arrays.get("outputs")
    if x.ndim < 1 or not len(x):
        raise HostError(f"{path}: x is {x.shape}: one sample at least is needed")
    if x.dtype.kind not in "iuf" or not np.isfinite(x).all():
        raise HostError(f"{path}: samples are finite numbers; here are {x.dtype}")
    if y is not None:
        if y.shape != (len(x),) or y.dtype.kind not in "iu":
            raise HostError(f"{path}: x is {x.shape} and y is {y.dtype}{y.shape}: an integer for each sample is needed")
        if y.min() < 0 or y.max() >= slot.NO_LABEL:
            raise HostError(f"{path}: a label is 0 to {slot.NO_LABEL - 1}")
        y = y.astype(np.int64)
    if outputs is not None and (outputs.ndim != 2 or len(outputs) != len(x) or outputs.dtype != np.int8):
        raise HostError(f"{path}: outputs is {outputs.dtype}{outputs.shape}: a row of int8 for each sample is needed")
    return Samples(x, y, outputs)


def load_inputs(path: Path, info: interpreter.Info) -> list[bytes]:
    """Return the inputs in ``path`` as the bytes the model takes: those of an .npz's array x, or raw, back to back.

    A model's inputs follow each other in order, in x too. Raises: HostError, OSError.
    """
    raw = files.read(path, 1 << 30)
    most = input_size(info)
    if raw.startswith(_NPZ):
        return quantise(check_samples(path, arrays_of(path, raw)).x, info)
    if not raw or len(raw) % most:
        raise HostError(f"{path}: {len(raw)} bytes are not one or more inputs of {most}, which is what the model takes")
    return [raw[at : at + most] for at in range(0, len(raw), most)]


def dtype(port: interpreter.Port) -> np.dtype[Any]:
    """Return the type of the numbers of an input or output."""
    return np.dtype({FLOAT32: np.float32, UINT8: np.uint8}.get(port.type, np.int8))


def size(port: interpreter.Port) -> int:
    """Return the bytes of an input or output."""
    return int(math.prod(port.shape) * dtype(port).itemsize)


def input_size(info: interpreter.Info) -> int:
    """Return the bytes of one vector of inputs."""
    return sum(map(size, info.inputs))


def output_size(info: interpreter.Info) -> int:
    """Return the bytes of one vector of outputs."""
    return sum(map(size, info.outputs))


def numbers(rows: NDArray[np.int8], ports: Sequence[interpreter.Port]) -> NDArray[np.float64]:
    """Return vectors of inputs or outputs, a row of bytes each, as the numbers that they are, unscaled."""
    parts = []
    at = 0
    for port in ports:
        part = np.ascontiguousarray(rows[:, at : at + size(port)]).view(dtype(port))
        parts.append(part.astype(np.float64))
        at += size(port)
    return np.concatenate(parts, axis=1)


def split(vector: bytes, ports: Sequence[interpreter.Port]) -> list[bytes]:
    """Return the parts of a vector that belong to each port."""
    parts = []
    at = 0
    for port in ports:
        parts.append(vector[at : at + size(port)])
        at += size(port)
    return parts


def quantise(x: NDArray[np.generic], info: interpreter.Info) -> list[bytes]:
    """Return each sample of ``x`` as the bytes of the model's inputs, out-of-range values clamped. Raises: HostError."""
    flat = x.reshape(len(x), -1)
    if flat.dtype == np.int8 and flat.shape[1] == input_size(info):
        return [row.tobytes() for row in flat]
    values = sum(math.prod(port.shape) for port in info.inputs)
    if flat.shape[1] != values or flat.dtype == np.int8:
        kind = "bytes" if flat.dtype == np.int8 else "values"
        raise HostError(f"samples have {flat.shape[1]} {kind}, the model takes {input_size(info) if kind == 'bytes' else values}")
    parts = []
    at = 0
    for port in info.inputs:
        part = flat[:, at : at + math.prod(port.shape)].astype(np.float64)
        at += part.shape[1]
        if port.type != FLOAT32:
            part = np.floor(part / float32(port.scale_bits) + 0.5) + port.zero_point
            part = np.clip(part, *((0, 255) if port.type == UINT8 else (-128, 127)))
        parts.append(np.ascontiguousarray(part.astype(dtype(port))).view(np.int8))
    return [row.tobytes() for row in np.concatenate(parts, axis=1)]


def float32(bits: int) -> float:
    """Return the number that the bits of a float32 stand for."""
    value: float = struct.unpack("<f", struct.pack("<I", bits))[0]
    return value


def arrays_of(path: Path, raw: bytes) -> Arrays:
    """Return the arrays of the .npz ``raw`` that was in ``path``. Raises: HostError."""
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as data:
            return dict(data.items())
    except Exception as e:  # NumPy and zipfile have many ways to say it
        raise HostError(f"{path}: not an .npz with an array x") from e
