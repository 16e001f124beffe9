"""CONV_2D, with dilation and groups."""

from ...core.model_errors import ModelError
from .dense import Gemm
from .layer import activation, clamp, operands, weights
from .window import dilation, image, window


def prepare(graph, op, at):
    """See `ops`."""
    (x, w, bias), y = operands(graph, op, 2, 3, 1)
    xo, pad = activation(graph, x, at)
    yo, zero = activation(graph, y, at)
    dh, dw = dilation(graph, op, 4)
    count, kh, kw, c = image(w)
    slide = window(graph, op, x, y, (kh - 1) * dh + 1, (kw - 1) * dw + 1)
    if count != y.shape[3]:
        raise ModelError("tensor %d should have %d channels" % (y.index, count))
    groups = x.shape[3] // c
    if groups * c != x.shape[3] or count % groups:
        raise ModelError("a convolution of %d channels by weights for %d, to %d" % (x.shape[3], c, count))
    weights(graph, w, bias, count, 0)
    if (dh, dw, groups) != (1, 1, 1):
        from .slide import Slide

        slide = slide[:3] + (kh, kw) + slide[5:] + (pad + 128,)
        return Slide(graph, (x, w, bias, y), (xo, yo), slide, (dh, dw), c, count // groups, clamp(graph, op, 3, y, zero))
    return Gemm(graph, (x, w, bias, y), (xo, yo), kh * kw * c, slide + (pad + 128,), clamp(graph, op, 3, y, zero))
