"""Folders of images or wavs as inputs of a model. What is done to them is stated here, and no more is done.

A folder holds files, or a folder of them for each class; labels count these folders in the order of their names (by number where
all names are numbers).

Images: turned to as many channels as the input has (1: grey, 3: RGB), resized to its height and width (bilinear, the aspect not
kept), 8 bits a channel. Wavs: 16 bits, one channel, the first samples, as many as the input has; none is resampled or padded.
Then ``real`` says which real numbers the lowest and the highest value of a pixel or sample stand for, and these are quantised by
the input's own scale. Without it the top 8 bits are the input's 8 bits: the lowest value is -128, the highest 127.
"""

import math
import warnings
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulligan.tflite import interpreter
from mulligan_host.errors import HostError
from mulligan_host.models.samples import quantise

_MOST_FILES = 100_000

Real = tuple[float, float]


def list_files(folder: Path, suffixes: tuple[str, ...]) -> tuple[list[Path], NDArray[np.int64] | None]:
    """Return the files of these suffixes, and their labels if they are in a folder for each class. Raises: HostError."""

    def files_of(place: Path) -> list[Path]:
        return sorted(path for path in place.iterdir() if path.suffix.lower() in suffixes and path.is_file())

    if not folder.is_dir():
        raise HostError(f"{folder}: no such folder")
    flat = files_of(folder)
    classes = sorted((path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")), key=_by_number)
    found = [(path, label) for label, place in enumerate(classes) for path in files_of(place)]
    if flat and found:
        raise HostError(f"{folder}: files beside folders of files: put all of them into one folder for each class, or none")
    if not flat and not found:
        raise HostError(f"{folder}: no {' or '.join(suffixes)} files in it")
    if len(flat) + len(found) > _MOST_FILES:
        raise HostError(f"{folder}: more than {_MOST_FILES} files")
    if flat:
        return flat, None
    return [path for path, _ in found], np.array([label for _, label in found], np.int64)


def load_images(folder: Path, info: interpreter.Info, real: Real | None) -> tuple[list[bytes], NDArray[np.int64] | None]:
    """Return the images in ``folder`` as inputs, and their labels if they have any. Raises: HostError."""
    shape = info.inputs[0].shape
    if len(info.inputs) != 1 or len(shape) != 4 or shape[0] != 1 or shape[3] not in (1, 3):
        raise HostError(f"the model takes {' and '.join(str(port.shape) for port in info.inputs)}, not one image")
    try:
        from PIL import Image
    except ImportError as e:
        raise HostError("images need Pillow: pip install 'mulligan[images]'") from e
    paths, labels = list_files(folder, (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"))
    _, height, width, depth = shape

    def read(path: Path) -> NDArray[np.float64]:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                flat = picture.convert("L" if depth == 1 else "RGB").resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(flat, np.float64).reshape(-1) - 128

    return _inputs(paths, read, info, real, 8), labels


def load_wavs(folder: Path, info: interpreter.Info, real: Real | None) -> tuple[list[bytes], NDArray[np.int64] | None]:
    """Return the wavs in ``folder`` as inputs, and their labels if they have any. Raises: HostError."""
    if len(info.inputs) != 1:
        raise HostError(f"the model takes {len(info.inputs)} inputs, not one stretch of sound")
    size = math.prod(info.inputs[0].shape)
    paths, labels = list_files(folder, (".wav",))

    def read(path: Path) -> NDArray[np.float64]:
        with wave.open(str(path), "rb") as sound:
            if (sound.getsampwidth(), sound.getnchannels()) != (2, 1):
                raise HostError(f"{8 * sound.getsampwidth()} bits, {sound.getnchannels()} channels: 16 bits and one are read")
            data = sound.readframes(size)
        if len(data) < 2 * size:
            raise HostError(f"{len(data) // 2} samples, the model takes {size}")
        return np.frombuffer(data, "<i2").astype(np.float64)

    return _inputs(paths, read, info, real, 16), labels


def _inputs(
    paths: list[Path], read: Callable[[Path], NDArray[np.float64]], info: interpreter.Info, real: Real | None, bits: int
) -> list[bytes]:
    """What ``read`` gives for each path, signed numbers of ``bits`` bits, as inputs of the model."""
    rows = []
    for path in paths:
        try:
            rows.append(read(path))
        except Exception as e:  # decoders have many ways to say that a file is none of theirs
            raise HostError(f"{path}: cannot be read: {_words(e)}") from e
    values = np.stack(rows)
    if real is None:
        return quantise(np.floor(values / 2 ** (bits - 8)).astype(np.int8), info)
    low, high = real
    return quantise(low + (values + 2 ** (bits - 1)) * ((high - low) / (2**bits - 1)), info)


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _by_number(path: Path) -> Any:
    return (0, int(path.name), "") if path.name.isdecimal() else (1, 0, path.name)
