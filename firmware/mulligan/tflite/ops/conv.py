"""CONV_2D, with dilation and groups."""

from ...core.model_errors import ModelError
from .dense import gemm
from .layer import activation, head, operands, weights
from .window import dilation, image, window


def prepare(op, xs, ys):
    """See `ops`."""
    (x, w, bias), y = operands(xs, ys, 2, 3)
    pad = activation(x) + 128
    activation(y)
    dw, dh = op.options[4:]
    dilated = dilation(op.options[4:])
    count, kh, kw, c = image(w)
    place = window(op.options, x, y, ((kh - 1) * dh + 1, (kw - 1) * dw + 1))
    if count != y.shape[3]:
        raise ModelError("tensor %d should have %d channels" % (y.index, count))
    groups = x.shape[3] // c
    if groups * c != x.shape[3] or count % groups:
        raise ModelError("a convolution of %d channels by weights for %d, to %d" % (x.shape[3], c, count))
    weights(w, bias, count, 0)
    start = head(35, w, count, op.options[3], y)
    if dilated or groups > 1:
        from .slide import slide

        return slide(start, x, w, bias, y, place[:3] + [kh, kw] + place[5:] + [pad, dh, dw], c, count // groups)
    return gemm(start, x, w, bias, y, kh * kw * c, place + [pad])
