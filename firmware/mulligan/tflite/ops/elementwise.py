"""ADD, SUB and MUL, with broadcasting.

Sources: tensorflow/lite/micro/kernels, add_common.cc, sub_common.cc, mul_common.cc, and integer_ops/add.h and mul.h.
"""

from array import array

from ...core.model_errors import ModelError, Unsupported
from .. import quant
from ..step import Step
from .layer import Layer, activation, clamp, operands
from .move import merged, strides

_ADD, _MUL = 0, 18
_OPTIONS = {0: 11, 18: 21, 41: 28}  # the numbers of their options' tables

#: Accumulators at a time.
_BLOCK = 256
_ANY = 1 << 29  # no clamp


def prepare(graph, op, at):
    """See `ops`."""
    (a, b), y = operands(graph, op, 2, 2, _OPTIONS[op.code])
    ao, za = activation(graph, a, at)
    bo, zb = activation(graph, b, at)
    yo, zero = activation(graph, y, at)
    dims = _broadcast(a.shape, b.shape, y.shape)
    (am, ae), (bm, be), (ym, ye) = [quant.parts(graph.scale(t)) for t in (a, b, y)]
    if op.code == _MUL:
        ramps = []
        scale = quant.multiplier(am * bm, ym, ae + be - ye)
    else:
        # Both inputs by 2**20, relative to twice the larger scale, which is what the sum is scaled by.
        low = min(ae, be)
        am <<= ae - low
        bm <<= be - low
        most = 2 * max(am, bm)
        ramps = [quant.multiplier(am, most, 0), quant.multiplier(bm, most, 0)]
        scale = quant.multiplier(most, ym, low - ye - 20)
        if scale[1] > 0:
            raise Unsupported("an ADD or SUB whose sum is multiplied by 2**%d" % scale[1])
    if scale[1] > 30:
        raise Unsupported("a MUL that multiplies by 2**%d" % scale[1])
    sign = 0 if op.code == _MUL else 1 if op.code == _ADD else -1
    head = [ao, bo, za + 128, zb + 128, sign, y.elements]
    return _Elementwise(head, yo, clamp(graph, op, 0, y, zero), scale, ramps, dims)


def _broadcast(a, b, y):
    """[[count, step in a, step in b]] of the output's dimensions."""
    rank = len(y)
    if max(len(a), len(b)) != rank:
        raise ModelError("%s with %s to %s" % (a, b, y))
    a = (1,) * (rank - len(a)) + a
    b = (1,) * (rank - len(b)) + b
    dims = []
    for n, p, q, far, to in zip(y, a, b, strides(a), strides(b)):
        if p not in (1, n) or q not in (1, n) or n != max(p, q):
            raise ModelError("%s with %s to %s" % (a, b, y))
        dims.append((n, far if p > 1 else 0, to if q > 1 else 0))
    return merged(dims, 2)


class _Elementwise(Layer):
    def __init__(self, head, yo, clamp, scale, ramps, dims):
        size = head[5]
        super().__init__(size)
        self._block = block = min(size, _BLOCK)
        self.scratch = 4 * (block + (512 if ramps else 0))
        self._parts = head, yo, clamp, scale, ramps, dims

    def load(self, rt):
        head, yo, clamp, (q, shift), ramps, dims = self._parts
        at = rt.scratch_at
        p = [0, 0, 1] + list(clamp) + [at + self.scratch - 4 * self._block, 0, 1, 0, yo] + head + [self._block, at]
        for m, s in ramps or [(0, 0)] * 2:
            p += [at, 256, 0, m, s, 0, -_ANY, _ANY]
            at += 1024
        p.append(len(dims))
        for d in dims:
            p += d
        p[0] = len(p)
        return Step(self.macs, rt.kernel("elementwise").elementwise, array("i", p + [0, q, shift + 31]))
