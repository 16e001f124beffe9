"""What a model is made of, what it asks of a board, and what it would cost there."""

from collections.abc import Sequence
from dataclasses import dataclass

from mulligan.core.errors import ModelError
from mulligan.tflite import graph as graphs
from mulligan.tflite import interpreter, loader, opnames, ops
from mulligan_host import boards
from mulligan_host.models.engine import Engine
from mulligan_host.models.samples import float32, input_size
from mulligan_host.models.source import ByteSource


@dataclass(frozen=True)
class Tensor:
    """``scales``: 0 where it isn't quantised, 1, or one for each channel; ``scale`` and ``zero_point`` are the first."""

    index: int
    type: str
    shape: tuple[int, ...]
    scales: int
    scale: float | None
    zero_point: int
    bytes: int
    """Of a constant; 0 for an activation."""


@dataclass(frozen=True)
class Operator:
    """What one operator reads and writes, and what it costs; ``problem`` says why the device can't run it."""

    name: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    macs: int
    reads: int
    bytes_read: int
    problem: str | None


@dataclass(frozen=True)
class Inspection:
    size: int
    operators: Sequence[Operator]
    info: interpreter.Info | None
    """What the device's own look at it says; None if it is refused, and then ``problem`` says why."""
    problem: str | None
    reads: int
    bytes_read: int
    """Flash reads of one inference, measured on one."""

    def time_us(self, speed: boards.Speed) -> int:
        """Return the microseconds that an inference may take on a board."""
        assert self.info is not None
        return speed.work_us(self.info.macs) + speed.reads_us(self.reads, self.bytes_read)


def inspect(model: bytes) -> Inspection:
    """Look at a model; one that is refused as far as it can be read. Raises: ModelError if that isn't far enough for a list."""
    source = ByteSource(model)
    graph = graphs.Graph(source)
    try:
        info: interpreter.Info | None = loader.inspect(source)
        problem = None
    except ModelError as e:
        info, problem = None, str(e)
    works = _works(model) if info else []
    operators = []
    for i in range(graph.op_count):
        code, reads_from, writes_to = graph.operands(i)
        macs, why = 0, None
        try:
            tensors = {index: graph.tensor(index) for index in reads_from + writes_to if index >= 0}
            macs = ops.layers(graphs.Model([graph.op(i)], tensors, (), ()))[0].macs
        except ModelError as e:
            # In a model that is run, this operator isn't: it only works out the shape for a RESHAPE.
            why = None if info else str(e)
        _, reads, size = works.pop(0) if works and macs else (0, 0, 0)
        inputs = tuple(_tensor(graph, index) if index >= 0 else None for index in reads_from)
        outputs = tuple(_tensor(graph, index) for index in writes_to)
        operators.append(Operator(opnames.name(code), inputs, outputs, macs, reads, size, why))
    reads, size = (sum(getattr(o, field) for o in operators) for field in ("reads", "bytes_read"))
    return Inspection(len(model), operators, info, problem, reads, size)


def _works(model: bytes) -> list[tuple[int, int, int]]:
    """(macs, reads, bytes read) of each step of one inference that has macs, in order."""
    done: list[tuple[int, int, int]] = []

    def meter(macs: int) -> None:
        done.append((macs, engine.source.reads, engine.source.bytes_read))
        engine.source.reads = engine.source.bytes_read = 0

    engine = Engine(model, meter=meter)
    engine.infer(bytes(input_size(engine.info)))
    return done


def _tensor(graph: graphs.Graph, index: int) -> Tensor:
    t = graph.tensor(index)
    return Tensor(index, opnames.type_name(t.type), t.shape, t.scales, float32(t.scale) if t.scales else None, t.zero, t.bytes)
