"""A second opinion on golden outputs: the reference kernels of LiteRT 1.2, which round twice as TFLite-Micro's do.

From 1.3.0 on its FULLY_CONNECTED requantises in float, and its LSTM was never TFLite-Micro's: neither is asked.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mulligan.core.errors import Unsupported
from mulligan.tflite import interpreter
from mulligan.tflite.codes import INT32
from mulligan.tflite.flatbuffer import Reader
from mulligan_host.errors import HostError
from mulligan_host.models.samples import split
from mulligan_host.models.source import ByteSource

_DISTRIBUTION = "ai-edge-litert"
_WANTED = "1.2."
_LSTM = 44
# Field numbers of schema.fbs: of Model, SubGraph, Tensor and QuantizationParameters.
_SUBGRAPHS = 2
_TENSORS = 0
_SHAPE, _TYPE, _QUANTIZATION = 0, 1, 4
_AXIS = 6


def outputs(model: bytes, info: interpreter.Info, inputs: list[bytes]) -> NDArray[np.int8]:
    """Return what the reference kernels give for ``inputs``, in order, a row each.

    Raises: HostError where there is no such LiteRT, or it refuses the model; Unsupported for LSTM.
    """
    if _LSTM in info.ops:
        raise Unsupported("LiteRT's LSTM is not TFLite-Micro's: no second opinion on this model")
    try:
        have = version(_DISTRIBUTION)
    except PackageNotFoundError:
        have = "none"
    if not have.startswith(_WANTED):
        raise HostError(f"a cross-check needs {_DISTRIBUTION} {_WANTED}x, which has wheels to Python 3.12; here is {have}")
    litert: Any = import_module("ai_edge_litert.interpreter")
    try:
        engine = litert.Interpreter(
            model_content=_without_axes_of_biases(model), experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF
        )
        engine.allocate_tensors()
    except (RuntimeError, ValueError) as e:
        raise HostError(f"LiteRT refuses the model: {e}") from e
    rows = []
    for vector in inputs:
        for detail, part in zip(engine.get_input_details(), split(vector, info.inputs), strict=True):
            engine.set_tensor(detail["index"], np.frombuffer(part, detail["dtype"]).reshape(detail["shape"]))
        engine.invoke()
        got = [engine.get_tensor(detail["index"]).tobytes() for detail in engine.get_output_details()]
        rows.append(np.frombuffer(b"".join(got), np.int8))
    return np.stack(rows)


def _without_axes_of_biases(model: bytes) -> bytes:
    """A copy in which no bias names a dimension past its own: LiteRT refuses what TFLite-Micro does not look at."""
    reader = Reader(ByteSource(model), b"TFL3")
    copy = bytearray(model)
    graphs, count = reader.vector(reader.table(0), _SUBGRAPHS, 4)
    for graph in range(graphs, graphs + 4 * count, 4):
        tensors, many = reader.vector(reader.table(graph), _TENSORS, 4)
        for place in range(tensors, tensors + 4 * many, 4):
            tensor = reader.table(place)
            rank = reader.vector(tensor, _SHAPE, 4)[1]
            quantization = reader.child(tensor, _QUANTIZATION)
            if reader.byte(tensor, _TYPE) == INT32 and reader.int(quantization, _AXIS) >= max(1, rank):
                at = reader.field(quantization, _AXIS, 4)
                copy[at : at + 4] = bytes(4)
    return bytes(copy)
