"""RESHAPE: moves nothing, its output lies where its input does."""

from ...core.model_errors import ModelError
from .layer import SAME, Layer, activation, operands, same_quantisation


def prepare(graph, op, at):
    """See `ops`."""
    (x, _), y = operands(graph, op, 1, 2, 17)
    activation(graph, x, at)
    activation(graph, y, at)
    same_quantisation(graph, x, y)
    if x.elements != y.elements:
        raise ModelError("RESHAPE from %s to %s" % (x.shape, y.shape))
    return Layer(0, (0, SAME))
