"""ADD, SUB and MUL, with broadcasting.

Sources: tensorflow/lite/micro/kernels, add_common.cc, sub_common.cc, mul_common.cc, and integer_ops/add.h and mul.h.
"""

from ...core.model_errors import ModelError, Unsupported
from .. import quant
from ..codes import ADD, MUL, SCRATCH
from .layer import activation, activation_range, layer, operands
from .move import merged, strides

#: Accumulators at a time.
_BLOCK = 256
_ANY = 1 << 29  # no clamp


def prepare(op, xs, ys):
    """See `ops`."""
    (a, b), y = operands(xs, ys, 2, 2)
    za, zb, zero = activation(a, True) + 128, activation(b, True) + 128, activation(y)
    dims = _broadcast(a.shape, b.shape, y.shape)
    (am, ae), (bm, be), (ym, ye) = [quant.parts(t.scale) for t in (a, b, y)]
    if op.code == MUL:
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
    sign = 0 if op.code == MUL else 1 if op.code == ADD else -1
    low, high = activation_range(op.options[0], y.scale, zero)
    size = y.elements
    block = min(size, _BLOCK)
    scratch = 0
    p = [0, 0, 1, zero + 128, low - zero, high - zero, 2048 if ramps else 0, 0, 1, 0, 0, 0, 0, za, zb, sign, size, block, 0]
    places = [(6, SCRATCH), (10, y.index), (11, a.index), (12, b.index), (18, SCRATCH)]
    for m, s in ramps or [(0, 0)] * 2:
        places.append((len(p), SCRATCH))
        p += [scratch, 256, 0, m, s, 0, -_ANY, _ANY]
        scratch += 1024
    p.append(len(dims))
    for d in dims:
        p += d
    p[0] = len(p)
    return layer(size, "elementwise", p + [0, scale[0], scale[1] + 31], places, None, 0, p[6] + 4 * block)


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
