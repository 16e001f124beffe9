"""The first look at a model: everything but its constants is checked, and its arena planned."""

from collections import namedtuple

from ..core.model_errors import NoMemory, Unsupported
from . import ops
from .arena import RESHAPE, Planner
from .graph import FLOAT32, Graph
from .ops.layer import MAX_ALL_CHANNELS
from .runtime import READ

#: Most multiply-accumulates (or element operations) of one inference: bounds the time that a model can take.
MAX_MACS = 1 << 26

#: One input or output: its shape, and value = scale * (byte - zero_point), the byte being an int8, or uint8, by ``type``
#: (TensorType); floats, 4 bytes little-endian, have a scale_bits of 0.
Port = namedtuple("Port", "shape scale_bits zero_point type")

#: What a model asks for. arena: bytes to work in, activations and behind them scratch; ops: operator codes in order; macs: work
#: of one inference; inputs, outputs: tuples of `Port`.
Info = namedtuple("Info", "arena ops macs inputs outputs")

#: What `layers` needs to know beside the arena. order: numbers of the operators to run; chunks: the most bytes of constants that
#: each of them wants at a time; constants: number of an operator ->
#: tensor indices of the constants to read into the arena before it; states: None, or (offset in the arena, bytes, starts).
Plan = namedtuple("Plan", "order chunks constants states")


def inspect(source):
    """The `Info` of a model, nothing run and no arena allocated.

    ``source`` has ``size`` and ``readinto(offset, buf)``. Raises: ModelError, Unsupported.
    """
    try:
        return survey(source)[0]
    except MemoryError:
        raise NoMemory("too little memory even to look at this model")


def survey(source):
    """(Info, the offsets in the arena that `arena.Planner` found, the inputs' and the outputs' places [(offset, bytes)], `Plan`).

    Raises: ModelError, Unsupported, MemoryError.
    """
    graph = Graph(source)
    view = getattr(source, "view", None)
    planner = Planner(graph)
    macs = count = 0
    chunks = []
    codes = []
    order = []
    wanted = {}
    idle = _idle(graph)
    for i in range(graph.op_count):
        if i in idle:
            continue
        layer = None  # and with it the family of the operator before
        op = graph.op(i)
        codes.append(op.code)
        order.append(i)
        chunk = 0
        for tensor in planner.follow(op):
            wanted.setdefault(i, []).append(tensor.index)
            chunk = max(chunk, min(READ, tensor.elements))
        layer = ops.prepare(graph, op, planner.blocks)
        chunk = max(chunk, layer.chunk) if view is None else 0
        chunks.append(chunk)
        planner.lay(op, layer, chunk)
        macs += layer.macs
        count += layer.count
        if macs > MAX_MACS or count > MAX_ALL_CHANNELS:
            raise Unsupported("more than %d operations, or %d channels" % (MAX_MACS, MAX_ALL_CHANNELS))
    at, size = planner.finish()
    ends = graph.inputs, graph.outputs
    info = Info(size, tuple(codes), macs, *[tuple([_port(graph, graph.tensor(i)) for i in end]) for end in ends])
    states = planner.states
    plan = Plan(order, chunks, wanted, (planner.states_at, states.size, states.starts) if states and states.size else None)
    return info, at, [[_place(graph.tensor(i), at) for i in end] for end in ends], plan


def _idle(graph):
    """Numbers of the operators that only work out the shape for a RESHAPE, whose output says that itself."""
    wanted = set(graph.outputs)
    idle = set()
    for i in range(graph.op_count - 1, -1, -1):
        op = graph.op(i)
        if op.outputs and not wanted.intersection(op.outputs):
            idle.add(i)
        else:
            wanted.update(op.inputs[:1] if op.code == RESHAPE else op.inputs)
    return idle


def _place(tensor, at):
    return at[tensor.index], tensor.elements * (4 if tensor.type == FLOAT32 else 1)


def _port(graph, tensor):
    if tensor.type == FLOAT32:
        return Port(tensor.shape, 0, 0, FLOAT32)
    return Port(tensor.shape, graph.scale(tensor), graph.zero_point(tensor), tensor.type)
