"""SOFTMAX, its output quantised by 1/256 from -128, as converters do."""

from ...core.model_errors import ModelError, Unsupported
from ..fixedpoint import exp, high_mul
from ..quant import multiplier, parts
from .layer import activation, layer, operands

#: Largest row: keeps the sum of the exponentials within 31 bits.
_MAX_DEPTH = 4095


def prepare(op, xs, ys):
    """See `ops`."""
    (x,), y = operands(xs, ys, 1, 1)
    activation(x)
    zero = activation(y)
    if x.shape != y.shape or not x.shape:
        raise ModelError("SOFTMAX from %s to %s" % (x.shape, y.shape))
    if y.scale != 0x3B800000 or zero != -128:
        raise Unsupported("a SOFTMAX whose output isn't quantised by 1/256 from -128")
    depth = x.shape[-1]
    if depth > _MAX_DEPTH:
        raise Unsupported("a SOFTMAX over %d" % depth)
    found = layer(x.elements, "softmax", bytes(1040), ((0, x.index), (1, y.index)))
    found.p[2] = x.elements // depth
    found.p[3] = depth
    table(op.options[0] & 0xFFFFFFFF, x.scale, found.p, 4)
    return found


def table(bits, scale, p, at):
    """Softmax's exponentials into 256 items of ``p``, an array of zeros, from ``at`` on: item d is exp(-d * scale * beta) in
    Q0.31; 0 where the reference stops. ``bits``: of beta; ``scale``: bits of the input's.

    Source: PreprocessSoftmaxScaling. Raises: ModelError, Unsupported.
    """
    bm, be = parts(bits)
    sm, se = parts(scale)
    # min(beta * scale * 2**26, 2**31 - 1), a double, which holds these 48 bits exactly.
    n = bm * sm
    e = be + se + 26
    if e > 0 or n >> -e >= 0x7FFFFFFF:
        q, shift = 0x7FFFFFFF, 31
    else:
        q, shift = multiplier(n, 1, e)
    if shift < 0 or not q:
        raise Unsupported("softmax of a scale this small")
    for d in range(min(256, ((31 << 26) >> shift) + 1)):
        p[at + d] = exp(high_mul(-d << shift, q))
