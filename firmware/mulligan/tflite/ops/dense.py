"""FULLY_CONNECTED, and what CONV_2D comes to as well: a matrix of patches times one of weights."""

from ...core.model_errors import ModelError, Unsupported
from ..runtime import READ
from ..step import Step
from .layer import BEFORE, BLOCK, MAX_DOT, MAX_SCRATCH, Layer, activation, clamp, operands, weights


class Gemm(Layer):
    """``tensors``: x, weights, bias (or None), y; ``places``: where x and y lie in the arena; ``k``: length of a dot product.

    ``window``: H to PAD of `kernels.gemm`, or None where the patches are the input itself; ``clamp``: ZERO, LOW, HIGH of
    `kernels.requantise`. ``fully_connected``: the multiplier is rounded as that operator does.
    """

    def __init__(self, graph, tensors, places, k, window, clamp, fully_connected=False):
        x, w, _, y = tensors
        count = w.elements // k
        pixels = y.elements // count
        super().__init__(pixels * w.elements)
        if k > (MAX_SCRATCH if window else MAX_DOT):
            raise Unsupported("dot products of %d elements" % k)
        self.count = count
        self._graph = graph
        self._tensors = tensors
        self._fully_connected = fully_connected
        piece = min(READ, w.elements)
        carry = 0
        if w.elements > piece and piece % k:
            # Reads that end with a channel are simpler, reads that are full are fewer.
            if (piece % k) * 20 > piece and 4 * pixels <= MAX_SCRATCH:
                carry = pixels
            elif k <= piece:
                piece -= piece % k
            else:
                raise Unsupported("%d dot products of %d elements" % (pixels, k))
        self._piece = piece
        self.chunk = max(piece, min(READ, 4 * count))
        per = piece // k + 1
        block = max(1, min(pixels, BLOCK // 4 // per))
        if window:
            block = max(1, min(block, BLOCK // k))
            if window[3:7] == (1, 1, 1, 1):
                if piece == w.elements:
                    self.over = (0, BEFORE)
                xo, yo = places
                if not (self.over and xo < yo + y.elements and yo < xo + x.elements):
                    window = None
        self.scratch = 4 * (carry + block + block * per) + (block * k if self.over or window else 0)
        self._head = (35, int(w.scales > 1), count) + clamp + (0,) * 5 + places + (k, pixels, block, 0, carry)
        self._head += ((1,) + window if window else (0,) * 13) + (0,) * 4

    def load(self, rt):
        x, w, bias, y = self._tensors
        from ..channels import fold, table  # in memory only while there are constants to load

        p = table(self._graph, self._head, x, w, y, self.count, self._fully_connected)
        p[16] = rt.scratch_at
        p[34] = rt.view is not None
        fold(rt, p, w, bias, self.count, False, self._graph.zero_point(x) + 128)
        return Step(self.macs, rt.kernel("gemm").gemm, p, w.data, w.elements, self._piece)


def prepare(graph, op, at):
    """See `ops`."""
    (x, w, bias), y = operands(graph, op, 2, 3, 8)
    xo, _ = activation(graph, x, at)
    yo, zero = activation(graph, y, at)
    if graph.reader.byte(op.options, 1):
        raise Unsupported("shuffled FULLY_CONNECTED weights")
    if len(w.shape) != 2:
        raise ModelError("tensor %d: FULLY_CONNECTED weights of rank %d" % (w.index, len(w.shape)))
    count, k = w.shape
    rows = x.elements // k
    if rows * k != x.elements or y.elements != rows * count or not y.shape or y.shape[-1] != count:
        raise ModelError("tensor %d doesn't fit FULLY_CONNECTED's input or output" % w.index)
    weights(graph, w, bias, count, 0)
    return Gemm(graph, (x, w, bias, y), (xo, yo), k, None, clamp(graph, op, 0, y, zero), True)
