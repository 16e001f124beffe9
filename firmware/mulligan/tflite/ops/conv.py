"""CONV_2D. Not: dilation, groups."""

from ...core.model_errors import ModelError, Unsupported
from .dense import Gemm
from .layer import activation, clamp, operands, weights
from .window import image, undilated, window


def prepare(graph, op, at):
    """See `ops`."""
    (x, w, bias), y = operands(graph, op, 2, 3, 1)
    xo, pad = activation(graph, x, at)
    yo, zero = activation(graph, y, at)
    undilated(graph, op, 4)
    count, kh, kw, c = image(w)
    slide = window(graph, op, x, y, kh, kw)
    if c != x.shape[3]:
        raise Unsupported("a grouped convolution (%d of %d channels)" % (c, x.shape[3]))
    if count != y.shape[3]:
        raise ModelError("tensor %d should have %d channels" % (y.index, count))
    weights(graph, w, bias, count, 0)
    return Gemm(graph, (x, w, bias, y), (xo, yo), kh * kw * c, slide + (pad + 128,), clamp(graph, op, 3, y, zero))
