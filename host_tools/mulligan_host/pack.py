"""Packing: a .tflite and labelled samples become a model slot image, its golden outputs computed as the device computes them."""

import io
import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mulligan.core import manifest, semver, slot
from mulligan.tflite import interpreter, loader
from mulligan_host import files
from mulligan_host.errors import HostError


class ByteSource:
    """Bytes in memory as the interpreter and the decoders read flash."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def readinto(self, offset: int, buf: memoryview | bytearray) -> None:
        """Fill all of ``buf`` from ``offset`` on. Raises: HostError outside of the data."""
        if offset < 0 or offset + len(buf) > self.size:
            raise HostError(f"read of {len(buf)} bytes at {offset} is outside of {self.size}")
        buf[:] = self._data[offset : offset + len(buf)]


@dataclass(frozen=True)
class Samples:
    """Inputs ``x`` (n, …), float or integer in the model's real units, or int8 as the model takes it; labels ``y`` (n,)."""

    x: NDArray[np.generic]
    y: NDArray[np.int64]


def load_samples(path: Path) -> Samples:
    """Return the arrays x and y of an .npz file. Raises: HostError, OSError."""
    raw = files.read(path)
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as data:
            x, y = data["x"], data["y"]
    except Exception as e:  # NumPy and zipfile have many ways to say it
        raise HostError(f"{path}: not an .npz with arrays x and y") from e
    if x.ndim < 1 or y.ndim != 1 or len(x) != len(y) or not len(x):
        raise HostError(f"{path}: x is {x.shape} and y is {y.shape}: as many samples as labels are needed, one at least")
    if x.dtype.kind not in "iuf" or y.dtype.kind not in "iu" or not np.isfinite(x).all():
        raise HostError(f"{path}: samples are finite numbers, labels integers; here are {x.dtype} and {y.dtype}")
    if y.min() < 0 or y.max() >= slot.NO_LABEL:
        raise HostError(f"{path}: a label is 0 to {slot.NO_LABEL - 1}")
    return Samples(x, y.astype(np.int64))


def pack(model: bytes, name: str, version: str, samples: Samples, labels: list[str]) -> bytes:
    """Return the slot image of ``model`` with one golden vector per sample.

    Raises: FormatError, ModelError, Unsupported: what the device would refuse is refused here.
    """
    if not 0 < len(name) <= manifest.MAX_NAME or any(not "!" <= c <= "~" for c in name):
        raise HostError(f"name {name!r}: 1 to {manifest.MAX_NAME} printable ASCII characters")
    semver.parse(version)
    source = ByteSource(model)
    facts = loader.inspect(source)
    engine = interpreter.Interpreter(source)
    vectors = []
    for x, label in zip(quantise(samples.x, facts), samples.y, strict=True):
        engine.input(0)[:] = x
        engine.invoke()
        vectors.append((x, bytes(engine.output(0)), int(label)))
    image: bytes = slot.build(name, version, model, facts.arena, vectors, labels, sorted(set(facts.ops)))
    return image


def quantise(x: NDArray[np.generic], facts: loader.Info) -> list[bytes]:
    """Return each sample of ``x`` as the int8 bytes of the model's input, out-of-range values clamped. Raises: HostError."""
    port = facts.inputs[0]
    flat = x.reshape(len(x), -1)
    if flat.shape[1] != math.prod(port.shape):
        raise HostError(f"samples have {flat.shape[1]} values, the model takes {math.prod(port.shape)}")
    if flat.dtype == np.int8:
        return [row.tobytes() for row in flat]
    (scale,) = struct.unpack("<f", struct.pack("<I", port.scale_bits))
    steps = np.floor(flat.astype(np.float64) / scale + 0.5) + port.zero_point
    return [row.tobytes() for row in np.clip(steps, -128, 127).astype(np.int8)]
