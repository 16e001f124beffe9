"""What CONV_2D with dilation or groups, and DEPTHWISE_CONV_2D with dilation, come to."""

from ...core.model_errors import Unsupported
from .. import channels
from ..runtime import READ
from ..step import Step
from .layer import BLOCK, MAX_DOT, Layer

#: Most bytes of a depthwise layer's weights, which are held at once as their channels are interleaved.
_MAX_WEIGHTS = 16384


class Slide(Layer):
    """``tensors``: x, weights, bias (or None), y; ``places``: where x and y lie; ``window``: H to PAD of `kernels.gemm`;
    ``dilation``: (DH, DW); ``depth``: input channels of an output channel, 0 for depthwise; ``share``: outputs that share them.
    """

    def __init__(self, graph, tensors, places, window, dilation, depth, share, clamp):
        _, w, _, y = tensors
        self.count = count = w.shape[0] if depth else w.shape[3]
        pixels = y.elements // count
        super().__init__(pixels * w.elements)
        k = w.elements // count
        if k > MAX_DOT or k > READ or (not depth and w.elements > _MAX_WEIGHTS):
            raise Unsupported("a dilated or grouped convolution with %d weights, %d a channel" % (w.elements, k))
        self._graph = graph
        self._last = not depth
        self._tensors = tensors
        self._piece = min(READ // k * k, w.elements) if depth else w.elements
        self.chunk = max(self._piece, min(READ, 4 * count))
        block = min(pixels, BLOCK // 4)
        self.scratch = 4 * block
        self._head = (35, int(w.scales > 1), count) + clamp + (0,) * 5 + places + (pixels, block, 0) + window + dilation
        self._head += (depth, share, k, depth, 0) if depth else (1, share, 1, count, 0)

    def load(self, rt):
        x, w, bias, y = self._tensors
        p = channels.table(self._graph, self._head, x, w, y, self.count)
        p[15] = rt.scratch_at
        channels.fold(rt, p, w, bias, self.count, self._last, self._graph.zero_point(x) + 128)
        return Step(self.macs, rt.kernel("slide").slide, p, w.data, w.elements, self._piece)
