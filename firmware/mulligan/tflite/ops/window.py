"""Windows that slide over an image: convolutions and pooling. Raises throughout: ModelError, Unsupported."""

from ...core.model_errors import ModelError, Unsupported
from ..limits import MAX_SIDE

_SAME = 0


def image(tensor):
    """The shape of a tensor of rank 4."""
    if len(tensor.shape) != 4 or max(tensor.shape) > MAX_SIDE:
        raise Unsupported("tensor %d has shape %s: not an image" % (tensor.index, tensor.shape))
    return tensor.shape


def window(options, x, y, size):
    """[h, w, c, kh, kw, sh, sw, pt, pl, oh, ow] as the kernels have them, the output's height and width checked. ``size``: (rows,
    columns) of the window.
    """
    padding, sw, sh = options[:3]
    kh, kw = size
    n, h, w, c = image(x)
    if not (0 < sh <= MAX_SIDE and 0 < sw <= MAX_SIDE and 0 < kh <= MAX_SIDE and 0 < kw <= MAX_SIDE):
        raise ModelError("a window of %d x %d by steps of %d x %d" % (kh, kw, sh, sw))
    if padding > 1:
        raise ModelError("a window with padding of kind %d" % padding)
    if padding == _SAME:
        oh = (h + sh - 1) // sh
        ow = (w + sw - 1) // sw
    else:
        oh = (h - kh + sh) // sh
        ow = (w - kw + sw) // sw
    if image(y)[:3] != (n, oh, ow):
        raise ModelError("tensor %d should be %d x %d x %d" % (y.index, n, oh, ow))
    return [h, w, c, kh, kw, sh, sw, max(0, (oh - 1) * sh + kh - h) // 2, max(0, (ow - 1) * sw + kw - w) // 2, oh, ow]


def dilation(options):
    """Insist on sound distances from one tap of a window to the next, (columns, rows). Returns whether there are any but 1."""
    dw, dh = options
    if not (0 < dw <= MAX_SIDE and 0 < dh <= MAX_SIDE):
        raise ModelError("a dilation by %d x %d" % (dh, dw))
    return dw > 1 or dh > 1
