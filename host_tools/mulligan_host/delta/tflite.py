"""What a planner of patches wants to know of a .tflite: its tensors, their data, scales and zero points, as places in a file.

Read by the device's own flatbuffer reader, wherever in an artifact the model stands: raw, in a slot image, inside a firmware.
Source of the field numbers: TensorFlow Lite's schema.fbs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mulligan.core.errors import ModelError
from mulligan.tflite.flatbuffer import Reader
from mulligan_host.models.source import ByteSource

FLOAT32, INT32, INT8 = 0, 2, 9
_MAX_TENSORS = 4096


@dataclass(frozen=True)
class Tensor:
    """``at``, ``size``: the constant data, 0 and 0 for an activation; scales: float32 from ``scales_at`` on, zeros: int64.

    axis: the dimension that the scales belong to.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    type: int
    at: int
    size: int
    scales: NDArray[np.float32]
    scales_at: int
    zeros: int
    zeros_at: int
    axis: int


@dataclass(frozen=True)
class Model:
    """``products``: for the bias of an operator, (its input, its weights): the bias's scales are the product of theirs."""

    at: int
    tensors: list[Tensor]
    products: dict[int, tuple[int, int]]


def find(data: bytes) -> Model | None:
    """Return the first model in ``data``, or None."""
    at = data.find(b"TFL3", 4)
    while at >= 0:
        try:
            return _read(data, at - 4)
        except (ModelError, UnicodeDecodeError):
            at = data.find(b"TFL3", at + 1)
    return None


def _read(data: bytes, start: int) -> Model:
    r = Reader(ByteSource(data[start:]), b"TFL3")
    root = r.table(0)
    if r.int(root, 0) != 3:
        raise ModelError("not version 3")
    buffers, buffer_count = r.vector(root, 4, 4)
    graphs, graph_count = r.vector(root, 2, 4)
    tensors: list[Tensor] = []
    products: dict[int, tuple[int, int]] = {}
    for graph in range(graph_count):
        sub = r.table(graphs + 4 * graph)
        first = len(tensors)
        at, count = r.vector(sub, 0, 4)
        if first + count > _MAX_TENSORS:
            raise ModelError("too many tensors")
        for i in range(count):
            tensors.append(_tensor(r, data, start, first + i, r.table(at + 4 * i), buffers, buffer_count))
        operators, operator_count = r.vector(sub, 3, 4)
        for i in range(operator_count):
            inputs, input_count = r.vector(r.table(operators + 4 * i), 1, 4)
            if input_count >= 3:
                taken = [r.i32(inputs + 4 * k) for k in range(3)]
                if all(0 <= index < count for index in taken):
                    products[first + taken[2]] = (first + taken[0], first + taken[1])
    return Model(start, tensors, products)


def _tensor(r: Reader, data: bytes, start: int, index: int, table: int, buffers: int, buffer_count: int) -> Tensor:
    at, rank = r.vector(table, 0, 4)
    shape = tuple(r.i32(at + 4 * i) for i in range(min(rank, 8)))
    name_at, name_size = r.vector(table, 3, 1)
    name = data[start + name_at : start + name_at + name_size].decode()
    buffer = r.int(table, 2)
    content = size = 0
    if 0 <= buffer < buffer_count:
        held = r.table(buffers + 4 * buffer)
        content, size = r.vector(held, 0, 1)
        place, outside = r.int(held, 1), r.int(held, 2)  # of data behind the flatbuffer, from the file's start on
        if not size and 1 < place < place + outside <= len(data) - start:
            content, size = place, outside
    quantisation = r.child(table, 4)
    scales_at, scales = r.vector(quantisation, 2, 4) if quantisation else (0, 0)
    zeros_at, zeros = r.vector(quantisation, 3, 8) if quantisation else (0, 0)
    axis = r.int(quantisation, 6) if quantisation else 0
    values = np.frombuffer(data, "<f4", scales, start + scales_at) if scales else np.zeros(0, "<f4")
    return Tensor(
        index, name, shape, r.byte(table, 1), start + content if size else 0, size, values, start + scales_at, zeros,
        start + zeros_at, axis,
    )  # fmt: skip
