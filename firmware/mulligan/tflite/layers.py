"""The second look at a model, when its arena is there: each operator becomes what runs, with its constants worked out."""

import gc
from array import array

from . import ops
from .graph import Graph
from .step import Step


def load(rt, at, places):
    """The steps of the model that ``rt`` reads; ``at`` and ``places`` are `loader.survey`'s. Raises: ModelError, Unsupported."""
    graph = Graph(rt.source)
    inputs, outputs = places
    steps = _flips(rt, inputs)
    for i in range(graph.op_count):
        gc.collect()  # so that what stays lies together
        layer = ops.prepare(graph, graph.op(i), at)
        if layer.macs:
            steps.append(layer.load(rt))
    return steps + _flips(rt, outputs)


def _flips(rt, places):
    # Two outputs may be one through a RESHAPE, which must not be flipped twice.
    return [Step(0, rt.kernel("int8").flip, array("i", place)) for place in set(places)]
