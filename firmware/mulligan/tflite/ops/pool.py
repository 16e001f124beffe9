"""AVERAGE_POOL_2D and MAX_POOL_2D."""

from array import array

from ...core.model_errors import ModelError
from .. import quant
from ..step import Step
from .layer import Layer, activation, operands, same_quantisation
from .window import window

_AVERAGE = 1


def prepare(graph, op, at):
    """See `ops`."""
    (x,), y = operands(graph, op, 1, 1, 5)
    xo, zero = activation(graph, x, at)
    yo, _ = activation(graph, y, at)
    same_quantisation(graph, x, y)
    slide = window(graph, op, x, y, graph.reader.int(op.options, 4), graph.reader.int(op.options, 3))
    if x.shape[3] != y.shape[3]:
        raise ModelError("tensor %d should have %d channels" % (y.index, x.shape[3]))
    low, high = quant.activation_range(graph.reader.byte(op.options, 5), graph.scale(y), zero)
    return _Pool(y, (xo, yo, x.shape[0], int(op.code == _AVERAGE), low + 128, high + 128) + slide)


class _Pool(Layer):
    def __init__(self, y, p):
        super().__init__(y.elements * p[9] * p[10])
        self._p = p

    def load(self, rt):
        return Step(self.macs, rt.kernel("pool").pool, array("i", self._p))
