"""What CONV_2D with dilation or groups, and DEPTHWISE_CONV_2D with dilation, come to."""

from ...core.model_errors import Unsupported
from ..codes import SCRATCH
from ..limits import BLOCK, MAX_DOT, READ
from .layer import channels, layer

#: Most bytes of a depthwise layer's weights, which are held at once as their channels are interleaved.
_MAX_WEIGHTS = 16384


def slide(start, x, w, bias, y, window, depth, share):
    """The `Layer`. ``start``: `layer.head`; ``window``: H to DW of `kernels.slide`; ``depth``: input channels of an output
    channel, 0 for depthwise; ``share``: outputs that share them.
    """
    count = w.shape[0] if depth else w.shape[3]
    pixels = y.elements // count
    k = w.elements // count
    if k > MAX_DOT or k > READ or (not depth and w.elements > _MAX_WEIGHTS):
        raise Unsupported("a dilated or grouped convolution with %d weights, %d a channel" % (w.elements, k))
    piece = min(READ // k * k, w.elements) if depth else w.elements
    block = min(pixels, BLOCK // 4)
    p = start + [0, 0, pixels, block, 0] + window + ([depth, share, k, depth, 0] if depth else [1, share, 1, count, 0])
    return layer(pixels * w.elements, "slide", p, ((11, x.index), (12, y.index), (15, SCRATCH)), None,
                 max(piece, min(READ, 4 * count)), 4 * block, (w.data, w.elements, piece),
                 channels(x, w, bias, y, int(not depth)), count)  # fmt: skip
