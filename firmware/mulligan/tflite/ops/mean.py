"""MEAN. Sources: tensorflow/lite/micro/kernels/reduce_common.cc, and QuantizedMeanOrSum in reference/reduce.h."""

from ...core.model_errors import ModelError, Unsupported
from .. import quant
from ..codes import SCRATCH
from .layer import activation, ints, layer, operands
from .move import merged, strides

#: Accumulators at a time.
_BLOCK = 256


def prepare(op, xs, ys):
    """See `ops`."""
    (x, axes), y = operands(xs, ys, 2, 2)
    zx = activation(x) + 128
    zero = activation(y)
    rank = len(x.shape)
    found = ints(axes, axes.elements)
    if not found or min(found) < -rank or max(found) >= rank:
        raise ModelError("MEAN over axes %s of %d" % (found, rank))
    gone = [a % rank for a in found]
    keep = op.options[0]
    shape = [1 if i in gone else n for i, n in enumerate(x.shape) if keep or i not in gone]
    if y.shape != tuple(shape):
        raise ModelError("MEAN yields %s, not %s" % (shape, y.shape))
    far = strides(x.shape)
    stay, go = [merged([(x.shape[i], far[i]) for i in range(rank) if (i in gone) == inside], 1) for inside in (False, True)]
    n = x.elements // y.elements
    (xm, xe), (ym, ye) = quant.parts(x.scale), quant.parts(y.scale)
    q, shift = quant.multiplier(xm, ym, xe - ye)
    if shift > 30:
        raise Unsupported("a MEAN that multiplies by 2**%d" % shift)
    # The division is folded into the multiplier, which keeps as many bits as fit.
    bits = -1
    while n >> bits + 1:
        bits += 1
    bits = min(bits, 32, 31 + shift)
    block = min(y.elements, _BLOCK)
    p = [0, 0, 1, zero + 128, -128 - zero, 127 - zero, 0, 0, 1, 0, 0, 0, y.elements, block, len(stay), len(go)]
    for d in stay + go:
        p += d
    p[0] = len(p)
    p += [-n * zx, (q << bits) // n, shift - bits + 31]
    return layer(x.elements, "mean", p, ((6, SCRATCH), (10, y.index), (11, x.index)), None, 0, 4 * block)
