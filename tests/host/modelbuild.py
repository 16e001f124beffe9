"""Writes .tflite files with flatbuffers and the schema package `tflite`: a second opinion on the format, for tests only."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import distribution
from types import ModuleType
from typing import Any

import flatbuffers
import numpy as np


@cache
def _schema(name: str) -> ModuleType:
    """The schema package's module of a table or an enum. By its file, as tests/tflite has the package's name."""
    path = str(distribution("tflite").locate_file(f"tflite/{name}.py"))
    spec = importlib.util.spec_from_file_location(f"tflite_schema_{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _enum(name: str) -> Any:
    return getattr(_schema(name), name)


def _table(b: flatbuffers.Builder, name: str, **fields: Any) -> int:
    """A table of these fields; one that is None is left out."""
    module = _schema(name)
    getattr(module, f"{name}Start")(b)
    for key, value in fields.items():
        if value is not None:
            getattr(module, f"{name}Add{key}")(b, value)
    return int(getattr(module, f"{name}End")(b))


_TYPE = _enum("TensorType")
_TYPES = {
    np.dtype(np.float32): _TYPE.FLOAT32,
    np.dtype(np.int8): _TYPE.INT8,
    np.dtype(np.uint8): _TYPE.UINT8,
    np.dtype(np.int16): _TYPE.INT16,
    np.dtype(np.int32): _TYPE.INT32,
    np.dtype(np.int64): _TYPE.INT64,
}
RESOURCE = _TYPE.RESOURCE

Option = int | float | bool | str


@dataclass
class Tensor:
    shape: Sequence[int]
    type: int
    scale: Sequence[float] = ()
    zero: Sequence[int] = ()
    data: bytes | None = None
    axis: int = 0
    variable: bool = False


@dataclass
class Op:
    name: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    table: str | None
    options: dict[str, Option]


@dataclass
class Subgraph:
    """``inputs``, ``outputs``: tensor indices. Tensors and operators are in the order in which they were added."""

    tensors: list[Tensor] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    inputs: Sequence[int] = ()
    outputs: Sequence[int] = ()

    def activation(
        self,
        shape: Sequence[int],
        scale: float | None = None,
        zero: int = 0,
        dtype: type = np.int8,
        variable: bool = False,
    ) -> int:
        """A tensor that is computed, or the model's input; its index."""
        quantised = ([scale], [zero]) if scale is not None else ([], [])
        self.tensors.append(Tensor(shape, _TYPES[np.dtype(dtype)], *quantised, variable=variable))
        return len(self.tensors) - 1

    def constant(self, data: np.ndarray, scale: float | Sequence[float] | None = None, zero: int = 0, axis: int = 0) -> int:
        """A tensor whose ``data`` is in the file; one scale, or one for each slice along ``axis``."""
        scales = [] if scale is None else list(scale) if isinstance(scale, Sequence) else [scale]
        self.tensors.append(
            Tensor(data.shape, _TYPES[data.dtype], scales, [zero] * len(scales), np.ascontiguousarray(data).tobytes(), axis)
        )
        return len(self.tensors) - 1

    def resource(self) -> int:
        self.tensors.append(Tensor((), RESOURCE))
        return len(self.tensors) - 1

    def op(self, name: str, inputs: Sequence[int], outputs: Sequence[int], table: str | None = None, **options: Option) -> None:
        """An operator; ``table``: its options' table in the schema, ``options``: the fields of it."""
        self.ops.append(Op(name, inputs, outputs, table, options))


def build(*subgraphs: Subgraph, outside: bool = False) -> bytes:
    """The file. The first subgraph is the model's. outside: the data stands behind the flatbuffer, as in files above 2 GB."""
    if not outside:
        return _written(subgraphs, None)[0]
    size = len(_written(subgraphs, 16)[0])
    file, datas = _written(subgraphs, size + -size % 16)
    return file + bytes(-size % 16) + b"".join(data + bytes(-len(data) % 16) for data in datas if data is not None)


def _written(subgraphs: Sequence[Subgraph], behind: int | None) -> tuple[bytes, list[bytes | None]]:
    """The flatbuffer, and the data of its buffers; behind: where the first of them stands, if not in the flatbuffer."""
    b = flatbuffers.Builder(4096)
    names = sorted({op.name for graph in subgraphs for op in graph.ops})
    datas: list[bytes | None] = [None]
    written = [_subgraph(b, graph, names, datas) for graph in subgraphs]
    buffers = []
    for data in datas:
        at = None
        if data is not None and behind is not None:
            buffers.append(_table(b, "Buffer", Offset=behind, Size=len(data)))
            behind += len(data) + -len(data) % 16
            continue
        if data is not None:
            # A vector of bytes aligned as the converter aligns them: interpreters read words from it.
            b.Prep(16, len(data))
            at = b.CreateByteVector(data)
        buffers.append(_table(b, "Buffer", Data=at))
    codes = []
    for name in names:
        code = getattr(_enum("BuiltinOperator"), name)
        codes.append(_table(b, "OperatorCode", DeprecatedBuiltinCode=min(code, 127), BuiltinCode=code, Version=1))
    vectors = [_offsets(b, items) for items in (codes, written, buffers)]
    b.Finish(_table(b, "Model", Version=3, OperatorCodes=vectors[0], Subgraphs=vectors[1], Buffers=vectors[2]), b"TFL3")
    return bytes(b.Output()), datas


def _offsets(b: flatbuffers.Builder, items: Sequence[int]) -> int:
    b.StartVector(4, len(items), 4)
    for item in reversed(items):
        b.PrependUOffsetTRelative(item)
    return int(b.EndVector())


def _ints(b: flatbuffers.Builder, items: Sequence[int]) -> int:
    b.StartVector(4, len(items), 4)
    for item in reversed(items):
        b.PrependInt32(int(item))
    return int(b.EndVector())


def _subgraph(b: flatbuffers.Builder, graph: Subgraph, names: Sequence[str], datas: list[bytes | None]) -> int:
    tensors = _offsets(b, [_tensor(b, t, datas) for t in graph.tensors])
    ops = _offsets(b, [_op(b, op, names) for op in graph.ops])
    inputs = _ints(b, graph.inputs)
    outputs = _ints(b, graph.outputs)
    return _table(b, "SubGraph", Tensors=tensors, Inputs=inputs, Outputs=outputs, Operators=ops)


def _tensor(b: flatbuffers.Builder, t: Tensor, datas: list[bytes | None]) -> int:
    quantisation = None
    if t.scale:
        b.StartVector(4, len(t.scale), 4)
        for scale in reversed(t.scale):
            b.PrependFloat32(scale)
        scales = b.EndVector()
        b.StartVector(8, len(t.zero), 8)
        for zero in reversed(t.zero):
            b.PrependInt64(zero)
        zeros = b.EndVector()
        quantisation = _table(b, "QuantizationParameters", Scale=scales, ZeroPoint=zeros, QuantizedDimension=t.axis)
    shape = _ints(b, t.shape)
    buffer = 0
    if t.data is not None:
        buffer = len(datas)
        datas.append(t.data)
    return _table(b, "Tensor", Shape=shape, Type=t.type, Buffer=buffer, Quantization=quantisation, IsVariable=t.variable)


def _op(b: flatbuffers.Builder, op: Op, names: Sequence[str]) -> int:
    table = kind = None
    if op.table:
        fields = {}
        for key, value in op.options.items():
            if isinstance(value, str):
                value = b.CreateString(value)
            fields[key] = value
        table = _table(b, op.table, **fields)
        kind = getattr(_enum("BuiltinOptions"), op.table)
    inputs = _ints(b, op.inputs)
    outputs = _ints(b, op.outputs)
    index = names.index(op.name)
    return _table(b, "Operator", OpcodeIndex=index, Inputs=inputs, Outputs=outputs, BuiltinOptionsType=kind, BuiltinOptions=table)
