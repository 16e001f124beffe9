"""Loading: a model is read, checked and planned, and what `interpreter` runs comes out of it. Not needed while it runs."""

import gc
from collections import namedtuple

from ..core.errors import NoMemory, Unsupported
from . import arena as planner
from . import channels, ops
from .graph import Graph
from .runtime import Runtime

#: Most multiply-accumulates (or element operations) of one inference: bounds the time that a model can take.
MAX_MACS = 1 << 26

#: One input or output: its shape, and value = scale * (byte - zero_point).
Port = namedtuple("Port", "shape scale_bits zero_point")

#: What a model asks for. arena: bytes to work in, activations and behind them scratch; ops: operator codes in order; macs: work
#: of one inference; inputs, outputs: tuples of `Port`.
Info = namedtuple("Info", "arena ops macs inputs outputs")


def inspect(source):
    """The `Info` of a model, everything but its constants checked, nothing run and no arena allocated.

    ``source`` has ``size`` and ``readinto(offset, buf)``. Raises: ModelError, Unsupported.
    """
    try:
        graph = Graph(source)
        at, size = planner.plan(graph)
        return _describe(graph, size, _steps(graph, at))[0]
    except MemoryError:
        raise NoMemory("too little memory even to look at this model")


def load(source, arena):
    """(Info, Runtime, steps, inputs, outputs) of a model; the last two are [(offset in the arena, bytes)].

    Raises: ModelError, Unsupported.
    """
    try:
        return _load(source, arena)
    except MemoryError:
        raise NoMemory("too little memory for this model; inspect() says what it needs")


def _load(source, arena):
    graph = Graph(source)
    at, size = planner.plan(graph)
    # The steps are made twice: first only to know how large the buffers are, which must be allocated before what stays is
    # scattered over the heap.
    info, needs = _describe(graph, size, _steps(graph, at))
    if arena is not None and len(arena) < info.arena:
        raise Unsupported("an arena of %d bytes where the model needs %d" % (len(arena), info.arena))
    gc.collect()
    runtime = Runtime(source, bytearray(info.arena) if arena is None else arena, _aligned(size), needs)
    steps = _steps(graph, at)
    for step in steps:
        gc.collect()
        step.load(graph, runtime)
    places = [[(at[i], graph.tensor(i).elements) for i in ends] for ends in (graph.inputs, graph.outputs)]
    return info, runtime, steps, places[0], places[1]


def _steps(graph, at):
    steps = []
    work = count = 0
    for op in graph.ops:
        gc.collect()  # so that what stays lies together, and large pieces of the heap are left free
        step = ops.prepare(graph, op, at)
        if step is not None:
            steps.append(step)
            work += step.macs
            count += step.count
            if work > MAX_MACS or count > channels.MAX_ALL_CHANNELS:
                raise Unsupported("more than %d operations, or %d channels" % (MAX_MACS, channels.MAX_ALL_CHANNELS))
    return steps


def _aligned(size):
    return (size + 15) & -16


def _describe(graph, size, steps):
    """(Info, needs): needs are the bytes of chunk, bytes of patch and words of accumulators that the steps want at most."""
    needs = (0, 0, 0)
    for step in steps:
        needs = tuple([max(a, b) for a, b in zip(needs, step.needs())])
    total = _aligned(size) + _aligned(needs[0]) + needs[1]
    codes = tuple([op.code for op in graph.ops])
    macs = sum([step.macs for step in steps])
    return Info(total, codes, macs, _ports(graph, graph.inputs), _ports(graph, graph.outputs)), needs


def _ports(graph, indices):
    tensors = [graph.tensor(i) for i in indices]
    return tuple([Port(t.shape, graph.scale(t), graph.zero_point(t)) for t in tensors])
