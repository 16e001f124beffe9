"""The first look at a model: everything but its constants is checked, and its arena planned."""

import gc
from collections import namedtuple

from ..core.model_errors import NoMemory, Unsupported
from . import ops
from .arena import Planner
from .graph import Graph
from .ops.layer import MAX_ALL_CHANNELS

#: Most multiply-accumulates (or element operations) of one inference: bounds the time that a model can take.
MAX_MACS = 1 << 26

#: One input or output: its shape, and value = scale * (byte - zero_point).
Port = namedtuple("Port", "shape scale_bits zero_point")

#: What a model asks for. arena: bytes to work in, activations and behind them scratch; ops: operator codes in order; macs: work
#: of one inference; inputs, outputs: tuples of `Port`.
Info = namedtuple("Info", "arena ops macs inputs outputs")


def inspect(source):
    """The `Info` of a model, nothing run and no arena allocated.

    ``source`` has ``size`` and ``readinto(offset, buf)``. Raises: ModelError, Unsupported.
    """
    try:
        return survey(source)[0]
    except MemoryError:
        raise NoMemory("too little memory even to look at this model")


def survey(source):
    """(Info, offset in the arena of each activation by tensor index, the inputs' and the outputs' places [(offset, bytes)], bytes
    of all activations, most bytes of constants at a time). Raises: ModelError, Unsupported, MemoryError.
    """
    graph = Graph(source)
    planner = Planner(graph)
    macs = count = chunk = scratch = 0
    codes = []
    for i in range(graph.op_count):
        gc.collect()
        op = graph.op(i)
        codes.append(op.code)
        planner.follow(op)
        layer = ops.prepare(graph, op, planner.blocks)
        if layer.over:
            planner.lay(op, layer.over)
        macs += layer.macs
        count += layer.count
        if macs > MAX_MACS or count > MAX_ALL_CHANNELS:
            raise Unsupported("more than %d operations, or %d channels" % (MAX_MACS, MAX_ALL_CHANNELS))
        chunk = max(chunk, layer.chunk)
        scratch = max(scratch, layer.scratch)
    at, size = planner.finish()
    ends = graph.inputs, graph.outputs
    total = size + (chunk + 3 & -4) + scratch
    info = Info(total, tuple(codes), macs, *[tuple([_port(graph, graph.tensor(i)) for i in end]) for end in ends])
    return info, at, [[(at[i], graph.tensor(i).elements) for i in end] for end in ends], size, chunk


def _port(graph, tensor):
    return Port(tensor.shape, graph.scale(tensor), graph.zero_point(tensor))
