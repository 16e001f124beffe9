"""DEPTHWISE_CONV_2D, with dilation."""

from ...core.model_errors import ModelError, Unsupported
from ..step import Step
from .layer import BLOCK, MAX_SCRATCH, Layer, activation, clamp, operands, weights
from .window import dilation, image, window

_MAX_TAPS = 256
_MAX_WIDTH = 2048  # of an output
_MAX_WEIGHTS = 36864  # bytes, held at once; 4096 channels of 3 x 3


def prepare(graph, op, at):
    """See `ops`."""
    (x, w, bias), y = operands(graph, op, 2, 3, 2)
    xo, pad = activation(graph, x, at)
    yo, zero = activation(graph, y, at)
    dh, dw = dilation(graph, op, 5)
    one, kh, kw, count = image(w)
    slide = window(graph, op, x, y, (kh - 1) * dh + 1, (kw - 1) * dw + 1)
    m = count // x.shape[3]
    if one != 1 or m * x.shape[3] != count or y.shape[3] != count or graph.reader.int(op.options, 3) not in (0, m):
        raise ModelError("tensor %d doesn't fit its depthwise convolution" % w.index)
    weights(graph, w, bias, count, 3)
    if kh * kw > _MAX_TAPS or slide[10] > _MAX_WIDTH or w.elements > _MAX_WEIGHTS:
        raise Unsupported("%d depthwise windows of %d x %d, rows of %d" % (count, kh, kw, slide[10]))
    if (dh, dw) != (1, 1):
        from .slide import Slide

        slide = slide[:3] + (kh, kw) + slide[5:] + (pad + 128,)
        return Slide(graph, (x, w, bias, y), (xo, yo), slide, (dh, dw), 0, m, clamp(graph, op, 4, y, zero))
    return _Depthwise(graph, (x, w, bias, y), (xo, yo), slide + (pad + 128, m), clamp(graph, op, 4, y, zero))


class _Depthwise(Layer):
    def __init__(self, graph, tensors, places, window, clamp):
        x, w, _, y = tensors
        h, width, c, kh, kw, sh, sw, pt, pl, oh, ow, pad, m = window
        super().__init__(y.elements * kh * kw)
        self.count = count = c * m
        self.chunk = max(w.elements, 4 * min(1024, count))
        self._graph = graph
        self._tensors = tensors
        batch = x.shape[0]
        width = (ow - 1) * sw + kw
        strip = oh
        if ((oh - 1) * sh + kh) * width > MAX_SCRATCH:
            strip = (MAX_SCRATCH // width - kh) // sh + 1
            if strip < 1:
                raise Unsupported("a depthwise strip of %d bytes" % (kh * width))
        elif m == 1 and batch == 1 and oh <= h and ow <= x.shape[2]:
            self.over = (0, c)
        rows = max(1, min(strip, BLOCK // 4 // ow))
        block = max(1, min(count, BLOCK // 4 // (rows * ow))) if rows == strip else 1
        plane = ((strip - 1) * sh + kh) * width
        self.scratch = 4 * (kh * kw + block * rows * ow) + plane
        self._head = (37, int(w.scales > 1), count) + clamp + (0,) * 5 + places
        self._head += (kh * kw, batch, 0, strip, rows, block) + window + (0,) * 5

    def load(self, rt):
        x, w, bias, y = self._tensors
        from ..channels import fold, table  # in memory only while there are constants to load

        p = table(self._graph, self._head, x, w, y, self.count)
        p[15] = rt.scratch_at
        fold(rt, p, w, bias, self.count, True, self._graph.zero_point(x) + 128)
        return Step(self.macs, rt.kernel("depthwise").depthwise, p, w.data, w.elements, w.elements)
