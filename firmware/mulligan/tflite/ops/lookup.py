"""Operators that map each int8 on its own, and so come to a table of 256 bytes: LOGISTIC, TANH, RELU, RELU6, LEAKY_RELU,
HARD_SWISH.
"""

import struct
from array import array

from ...core.model_errors import ModelError
from ..step import Step
from . import curves
from .layer import BEFORE, Layer, activation, operands

_OPTIONS = {98: 75, 117: 91}  # LEAKY_RELU, HARD_SWISH: the numbers of their options' tables


def prepare(graph, op, at):
    """See `ops`."""
    (x,), y = operands(graph, op, 1, 1, _OPTIONS.get(op.code, 0))
    xo, zx = activation(graph, x, at)
    yo, zy = activation(graph, y, at)
    if x.shape != y.shape:
        raise ModelError("an operator on each element from %s to %s" % (x.shape, y.shape))
    alpha = graph.reader.field(op.options, 0, 4) if op.code == 98 else 0
    curve = curves.curve(op.code, graph.scale(x), zx, graph.scale(y), zy, graph.reader.u32(alpha) if alpha else 0)
    return Lookup((xo, yo, x.elements), curve, zx + 128, 128)


class Lookup(Layer):
    """``places``: the kernel's X, Y, N; ``curve``: a function from an input minus its zero point to an output, which is
    clamped.

    ``zero``: the input's zero point as the arena holds it; ``offset``: what the arena adds to an output.
    """

    def __init__(self, places, curve, zero, offset):
        super().__init__(places[2], (0, BEFORE))
        self._places = places
        self._curve = curve
        self._zero = zero
        self._offset = offset

    def load(self, rt):
        table = bytearray(256)
        for u in range(256):
            table[u] = min(255, max(0, self._curve(u - self._zero) + self._offset))
        return Step(self.macs, rt.kernel("lookup").lookup, array("i", self._places + struct.unpack("<64i", table)))
