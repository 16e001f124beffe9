"""The interpreter: a model is checked and planned once, then run as often as wanted without allocating anything."""

import gc
from array import array
from collections import namedtuple

from ..core.errors import Unsupported
from . import arena as planner
from . import channels, ops
from .graph import Graph

try:
    from . import viper as _kernels
except (ImportError, SyntaxError, ValueError):  # CPython; no native emitter; an .mpy for another architecture
    from . import kernels as _kernels

#: Most multiply-accumulates (or element operations) of one inference: bounds the time that a model can take.
MAX_MACS = 1 << 26

#: One input or output: its shape, and value = scale * (byte - zero_point).
Port = namedtuple("Port", "shape scale_bits zero_point")

#: What a model asks for. arena, scratch: bytes; ops: operator codes in order; macs: work of one inference;
#: inputs, outputs: tuples of `Port`.
Info = namedtuple("Info", "arena scratch ops macs inputs outputs")


def inspect(source):
    """The `Info` of a model, everything but its constants checked, nothing run and no arena allocated.

    ``source`` has ``size`` and ``readinto(offset, buf)``. Raises: ModelError, Unsupported.
    """
    try:
        graph = Graph(source)
        at, size = planner.plan(graph)
        return _describe(graph, size, _steps(graph, at))[0]
    except MemoryError:
        raise Unsupported("too little memory even to look at this model")


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


def _scratch(steps):
    """(bytes of chunk, bytes of patch, words of accumulators) that the most demanding steps need."""
    most = (0, 0, 0)
    for step in steps:
        most = tuple([max(a, b) for a, b in zip(most, step.needs())])
    return most


def _ports(graph, indices):
    tensors = [graph.tensor(i) for i in indices]
    return tuple([Port(t.shape, graph.scale(t), graph.zero_point(t)) for t in tensors])


def _describe(graph, size, steps):
    """(`Info`, the scratch as `_scratch` gives it)"""
    needs = chunk, patch, acc = _scratch(steps)
    codes = tuple([op.code for op in graph.ops])
    macs = sum([step.macs for step in steps])
    return Info(size, chunk + patch + 4 * acc, codes, macs, _ports(graph, graph.inputs), _ports(graph, graph.outputs)), needs


class _Runtime:
    """What the steps work with: the source, the kernels, the arena and the scratch buffers."""

    def __init__(self, source, arena, needs):
        self.source = source
        self.kernels = _kernels
        self.arena = arena
        self.chunk = bytearray(needs[0])
        self.patch = bytearray(needs[1])
        self.acc = array("i", bytes(4 * needs[2]))
        self._views = {}

    def view(self, offset, n):
        """A memoryview of part of the chunk; made when first asked for, at load, so that running makes none."""
        key = offset << 13 | n
        if key not in self._views:
            self._views[key] = memoryview(self.chunk)[offset : offset + n]
        return self._views[key]


class Interpreter:
    """One model, ready to run.

    ``source`` has ``size`` and ``readinto(offset, buf)``; it is read at every inference, at most 4 KB at a time, and the model is
    never held whole. ``arena``: a bytearray to work in, which models may share if each one's output is taken before the next
    runs; None allocates one. ``meter(n)``, if given, is called after each op with its multiply-accumulates (element operations
    for pooling and softmax).

    Raises: ModelError (malformed), Unsupported (what the engine doesn't do, or too little memory).
    """

    def __init__(self, source, arena=None, meter=None):
        try:
            self._load(source, arena)
        except MemoryError:
            raise Unsupported("too little memory for this model; inspect() says what it needs")
        self._meter = meter

    def _load(self, source, arena):
        graph = Graph(source)
        at, size = planner.plan(graph)
        if arena is not None and len(arena) < size:
            raise Unsupported("an arena of %d bytes where the model needs %d" % (len(arena), size))
        # The steps are made twice: first only to know how large the buffers are, which must be allocated before what stays
        # is scattered over the heap.
        self._info, needs = _describe(graph, size, _steps(graph, at))
        gc.collect()
        if arena is None:
            arena = bytearray(size)
        self._runtime = _Runtime(source, arena, needs)
        self._steps = _steps(graph, at)
        for step in self._steps:
            gc.collect()
            step.load(graph, self._runtime)
        view = memoryview(arena)
        places = [[(at[i], graph.tensor(i).elements) for i in ends] for ends in (graph.inputs, graph.outputs)]
        self._inputs, self._outputs = [tuple([view[o : o + n] for o, n in ends]) for ends in places]
        # Two outputs may be one through a RESHAPE, which must not be flipped twice.
        self._flip_in, self._flip_out = [tuple(set(ends)) for ends in places]

    @property
    def arena_size(self):
        """Bytes of arena that the model needs."""
        return self._info.arena

    @property
    def macs(self):
        """Multiply-accumulates (and element operations) of one inference."""
        return self._info.macs

    def describe(self):
        """The model's `Info`."""
        return self._info

    def input(self, i=0):
        """A memoryview of input ``i``: int8 as two's complement bytes. To be filled before every `invoke`, which uses it up."""
        return self._inputs[i]

    def output(self, i=0):
        """A memoryview of output ``i``: int8 as two's complement bytes. Valid until an input is filled again."""
        return self._outputs[i]

    def invoke(self):
        """Run the model. Allocates nothing. Raises only what the source's ``readinto`` does."""
        rt = self._runtime
        meter = self._meter
        for offset, n in self._flip_in:
            rt.kernels.flip(rt.arena, offset, n)
        for step in self._steps:
            step.run(rt)
            if meter is not None:
                meter(step.macs)
        for offset, n in self._flip_out:
            rt.kernels.flip(rt.arena, offset, n)
