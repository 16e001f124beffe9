"""MEAN. Sources: tensorflow/lite/micro/kernels/reduce_common.cc, and QuantizedMeanOrSum in reference/reduce.h."""

from array import array

from ...core.model_errors import ModelError, Unsupported
from .. import quant
from ..step import Step
from .layer import Layer, activation, ints, operands
from .move import merged, strides

#: Accumulators at a time.
_BLOCK = 256


def prepare(graph, op, at):
    """See `ops`."""
    (x, axes), y = operands(graph, op, 2, 2, 27)
    xo, zx = activation(graph, x, at)
    yo, zero = activation(graph, y, at)
    rank = len(x.shape)
    found = ints(graph, axes, axes.elements)
    if not found or min(found) < -rank or max(found) >= rank:
        raise ModelError("MEAN over axes %s of %d" % (found, rank))
    gone = [a % rank for a in found]
    keep = graph.reader.byte(op.options, 0)
    shape = [1 if i in gone else n for i, n in enumerate(x.shape) if keep or i not in gone]
    if y.shape != tuple(shape):
        raise ModelError("MEAN yields %s, not %s" % (shape, y.shape))
    far = strides(x.shape)
    stay, go = [merged([(x.shape[i], far[i]) for i in range(rank) if (i in gone) == inside], 1) for inside in (False, True)]
    n = x.elements // y.elements
    (xm, xe), (ym, ye) = quant.parts(graph.scale(x)), quant.parts(graph.scale(y))
    q, shift = quant.multiplier(xm, ym, xe - ye)
    if shift > 30:
        raise Unsupported("a MEAN that multiplies by 2**%d" % shift)
    # The division is folded into the multiplier, which keeps as many bits as fit.
    bits = -1
    while n >> bits + 1:
        bits += 1
    bits = min(bits, 32, 31 + shift)
    scale = -n * (zx + 128), (q << bits) // n, shift - bits
    return _Mean((xo, y.elements), yo, (zero + 128, -128 - zero, 127 - zero), scale, stay, go, x.elements)


class _Mean(Layer):
    def __init__(self, head, yo, clamp, scale, stay, go, macs):
        super().__init__(macs)
        self._block = min(head[1], _BLOCK)
        self.scratch = 4 * self._block
        self._parts = head, yo, clamp, scale, stay, go

    def load(self, rt):
        (xo, size), yo, clamp, (bias, q, shift), stay, go = self._parts
        p = [0, 0, 1] + list(clamp) + [rt.scratch_at, 0, 1, 0, yo, xo, size, self._block, len(stay), len(go)]
        for d in stay + go:
            p += d
        p[0] = len(p)
        return Step(self.macs, rt.kernel("mean").mean, array("i", p + [bias, q, shift + 31]))
