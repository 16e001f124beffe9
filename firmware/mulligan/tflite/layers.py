"""The second look at a model, when its arena is there: each operator becomes what runs, with its constants worked out."""

from array import array

from ..borrow import collect
from . import ops
from .graph import INT8, Graph
from .runtime import READ
from .step import Step


def load(rt, at, plan):
    """[(place to work in, step)] of the model that ``rt`` reads; ``at`` and ``plan`` are `loader.survey`'s.

    Raises: ModelError, Unsupported.
    """
    graph = Graph(rt.source)
    steps = _flips(graph, graph.inputs, rt, at)  # (place to work in, step)
    if plan.states:
        from .memory import Memory, Save

        rt.memory = Memory(rt, *plan.states)
        steps.append((None, rt.memory))
    for number, i in enumerate(plan.order):
        layer = None
        collect()
        work = at.get(~number)
        if work is not None:
            rt.prepare(work, plan.chunks[number])
        for index in plan.constants.get(i, ()):
            n = graph.tensor(index).elements
            p = array("i", (at[index], 128))
            steps.append((work, Step(0, rt.kernel("constant").constant, p, graph.tensor(index).data, n, min(READ, n))))
            rt.weights(graph.tensor(index).data, min(READ, n))  # makes the views
            rt.weights(graph.tensor(index).data, n % READ or min(READ, n))
        layer = ops.prepare(graph, graph.op(i), at)
        if layer.macs:
            steps.append((work, layer.load(rt)))
    if plan.states:
        steps.append((None, Save(rt.memory)))
    return steps + _flips(graph, graph.outputs, rt, at)


def _flips(graph, ends, rt, at):
    # Two outputs may be one through a RESHAPE, which must not be flipped twice.
    places = {(at[i], graph.tensor(i).elements) for i in ends if graph.tensor(i).type == INT8}
    return [(None, Step(0, rt.kernel("int8").flip, array("i", place))) for place in places]
