"""Operators that map each int8 on its own, and so come to a table of 256 bytes: LOGISTIC, TANH, RELU, RELU6, LEAKY_RELU,
HARD_SWISH.
"""

import struct

from ...core.model_errors import ModelError
from ..codes import BEFORE
from . import curves
from .layer import activation, layer, operands


def prepare(op, xs, ys):
    """See `ops`."""
    (x,), y = operands(xs, ys, 1, 1)
    zero = activation(x)
    activation(y)
    if x.shape != y.shape:
        raise ModelError("an operator on each element from %s to %s" % (x.shape, y.shape))
    alpha = op.options[0] & 0xFFFFFFFF if op.options else 0
    return lookup(x, y, curves.curve(op.code, x.scale, zero, y.scale, y.zero, alpha), zero + 128, 128)


def lookup(x, y, curve, zero, offset):
    """The `Layer`. ``curve``: a function from an input minus its zero point to an output, which is clamped; ``zero``: the
    input's zero point as the arena holds it; ``offset``: what the arena adds to an output.
    """
    table = bytearray(256)
    for u in range(256):
        table[u] = min(255, max(0, curve(u - zero) + offset))
    p = (0, 0, x.elements) + struct.unpack("<64i", table)
    return layer(x.elements, "lookup", p, ((0, x.index), (1, y.index)), (0, BEFORE))
