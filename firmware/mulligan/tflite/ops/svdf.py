"""SVDF, with states of 16 or 8 bits. Source: tensorflow/lite/micro/kernels/svdf_common.cc."""

from ...core.model_errors import ModelError, Unsupported
from .. import quant, single
from ..codes import INT8, INT16, INT32
from ..limits import MAX_DOT, MAX_SCRATCH, READ
from .layer import activation, constant, layer, operands, weights


def prepare(op, xs, ys):
    """See `ops`. ``channels`` is for `recurrent_load.svdf`."""
    if len(xs) != 5 or None in xs[:3] + xs[4:]:
        raise ModelError("SVDF with operands left out")
    (x, feature, time, bias, state), y = operands(xs, ys, 3, 5)
    zx, zero = activation(x), activation(y)
    rank = op.options[0]
    if len(x.shape) != 2 or len(feature.shape) != 2 or len(time.shape) != 2 or time.type not in (INT8, INT16):
        raise ModelError("SVDF of %s by %s and %s" % (x.shape, feature.shape, time.shape))
    batch, k = x.shape
    filters, memory = time.shape
    width = 1 if time.type == INT8 else 2
    if rank < 1 or filters % rank or feature.shape != (filters, k) or y.shape != (batch, filters // rank):
        raise ModelError("SVDF of rank %d from %s by %s to %s" % (rank, x.shape, feature.shape, y.shape))
    if state.data or not state.variable or state.type != time.type or state.elements != batch * filters * memory:
        raise ModelError("tensor %d is no state for SVDF" % state.index)
    weights(feature, None, filters, 0)
    constant(time, time.type, width)
    if bias is not None:
        constant(bias, INT32, 4)
        if bias.elements != filters // rank:
            raise ModelError("SVDF with %d biases" % bias.elements)
    row = memory * width
    if k > MAX_DOT or row > READ or 8 * filters > MAX_SCRATCH:
        raise Unsupported("SVDF of %d inputs, %d filters, %d states each" % (k, filters, memory))
    if feature.scales != 1:
        raise Unsupported("SVDF with a scale for each filter")
    sx, sf, st, ss, sy = [quant.parts(_scale(t)) for t in (x, feature, time, state, y)]
    scales = _multiplier(sx, sf, ss) + _multiplier(ss, st, sy)
    places = (0, x.index), (1, state.index), (2, y.index)
    zeros = zx, state.zero, zero
    chunk = max(min(READ, filters * k), min(READ // row, filters) * row, min(READ, 4 * filters))
    parts = (feature.data, time.data, bias.data if bias else 0) + zeros + scales + (batch, k, filters, memory, width, rank)
    return layer(batch * filters * (k + memory), "svdf", (0, 0, 0), places, None, chunk, 8 * filters, None, parts, filters)


def _scale(tensor):
    if tensor.scales != 1:
        raise ModelError("tensor %d has %d scales" % (tensor.index, tensor.scales))
    return tensor.scale


def _multiplier(a, b, c):
    """The multiplier for a * b / c, each result a float32."""
    return single.multiplier32(quant.product32(a, b), c)
