"""DEPTHWISE_CONV_2D, with dilation."""

from ...core.model_errors import ModelError, Unsupported
from ..codes import SCRATCH
from ..limits import BLOCK, MAX_SCRATCH
from .layer import activation, channels, head, layer, operands, weights
from .window import dilation, image, window

_MAX_TAPS = 256
_MAX_WIDTH = 2048  # of an output
_MAX_WEIGHTS = 36864  # bytes, held at once; 4096 channels of 3 x 3


def prepare(op, xs, ys):
    """See `ops`."""
    (x, w, bias), y = operands(xs, ys, 2, 3)
    pad = activation(x) + 128
    activation(y)
    dw, dh = op.options[5:]
    dilated = dilation(op.options[5:])
    one, kh, kw, count = image(w)
    place = window(op.options, x, y, ((kh - 1) * dh + 1, (kw - 1) * dw + 1))
    h, width, c, _, _, sh, sw, _, _, oh, ow = place
    m = count // c
    if one != 1 or m * c != count or y.shape[3] != count or op.options[3] not in (0, m):
        raise ModelError("tensor %d doesn't fit its depthwise convolution" % w.index)
    weights(w, bias, count, 3)
    if kh * kw > _MAX_TAPS or ow > _MAX_WIDTH or w.elements > _MAX_WEIGHTS:
        raise Unsupported("%d depthwise windows of %d x %d, rows of %d" % (count, kh, kw, ow))
    if dilated:
        from .slide import slide

        start = head(35, w, count, op.options[4], y)
        return slide(start, x, w, bias, y, place[:3] + [kh, kw] + place[5:] + [pad, dh, dw], 0, m)
    batch = x.shape[0]
    strip = oh
    row = (ow - 1) * sw + kw
    over = None
    if ((oh - 1) * sh + kh) * row > MAX_SCRATCH:
        strip = (MAX_SCRATCH // row - kh) // sh + 1
        if strip < 1:
            raise Unsupported("a depthwise strip of %d bytes" % (kh * row))
    elif m == 1 and batch == 1 and oh <= h and ow <= width:
        over = (0, c)
    rows = max(1, min(strip, BLOCK // 4 // ow))
    block = max(1, min(count, BLOCK // 4 // (rows * ow))) if rows == strip else 1
    plane = ((strip - 1) * sh + kh) * row
    p = head(37, w, count, op.options[4], y) + [0, 0, kh * kw, batch, 0, strip, rows, block] + place + [pad, m] + [0] * 5
    return layer(y.elements * kh * kw, "depthwise", p, ((11, x.index), (12, y.index), (15, SCRATCH)), over,
                 max(w.elements, 4 * min(1024, count)), 4 * (kh * kw + block * rows * ow) + plane,
                 (w.data, w.elements, w.elements), channels(x, w, bias, y, 1), count)  # fmt: skip
