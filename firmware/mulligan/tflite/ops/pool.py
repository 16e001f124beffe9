"""AVERAGE_POOL_2D and MAX_POOL_2D."""

from ...core.model_errors import ModelError
from .layer import activation, activation_range, layer, operands, same_quantisation
from .window import window

_AVERAGE = 1


def prepare(op, xs, ys):
    """See `ops`."""
    (x,), y = operands(xs, ys, 1, 1)
    zero = activation(x)
    activation(y)
    same_quantisation(x, y)
    slide = window(op.options, x, y, (op.options[4], op.options[3]))
    if x.shape[3] != y.shape[3]:
        raise ModelError("tensor %d should have %d channels" % (y.index, x.shape[3]))
    low, high = activation_range(op.options[5], y.scale, zero)
    p = [0, 0, x.shape[0], int(op.code == _AVERAGE), low + 128, high + 128] + slide
    return layer(y.elements * p[9] * p[10], "pool", p, ((0, x.index), (1, y.index)))
