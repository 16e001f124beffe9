"""SOFTMAX, its output quantised by 1/256 from -128, as converters do."""

from array import array

from ...core.model_errors import ModelError, Unsupported
from ..fixedpoint import exp, high_mul
from ..quant import multiplier, parts
from ..step import Step
from .layer import Layer, activation, operands

#: Largest row: keeps the sum of the exponentials within 31 bits.
_MAX_DEPTH = 4095


def prepare(graph, op, at):
    """See `ops`."""
    (x,), y = operands(graph, op, 1, 1, 9)
    xo, _ = activation(graph, x, at)
    yo, zero = activation(graph, y, at)
    if x.shape != y.shape or not x.shape:
        raise ModelError("SOFTMAX from %s to %s" % (x.shape, y.shape))
    if graph.scale(y) != 0x3B800000 or zero != -128:
        raise Unsupported("a SOFTMAX whose output isn't quantised by 1/256 from -128")
    depth = x.shape[-1]
    if depth > _MAX_DEPTH:
        raise Unsupported("a SOFTMAX over %d" % depth)
    beta = graph.reader.field(op.options, 0, 4)
    scaling = exp_scale(graph.reader.u32(beta) if beta else 0, graph.scale(x))
    return _Softmax((xo, yo, x.elements // depth, depth), scaling)


def exp_scale(beta_bits, scale_bits):
    """(multiplier, shift) of softmax's exponents: PreprocessSoftmaxScaling. Raises: ModelError, Unsupported."""
    bm, be = parts(beta_bits)
    sm, se = parts(scale_bits)
    # min(beta * scale * 2**26, 2**31 - 1), a double, which holds these 48 bits exactly.
    n = bm * sm
    e = be + se + 26
    if e > 0 or n >> -e >= 0x7FFFFFFF:
        q, shift = 0x7FFFFFFF, 31
    else:
        q, shift = multiplier(n, 1, e)
    if shift < 0 or not q:
        raise Unsupported("softmax of a scale this small")
    return q, shift


def exp_table(scale, table, first):
    """Softmax's exponentials by `exp_scale`'s ``scale``, into 256 items of ``table``, an array of zeros, from ``first`` on.

    Item d is exp(-d * scale * beta) in Q0.31; 0 where the reference stops.
    """
    q, shift = scale
    for d in range(min(256, ((31 << 26) >> shift) + 1)):
        table[first + d] = exp(high_mul(-d << shift, q))


class _Softmax(Layer):
    def __init__(self, head, scaling):
        super().__init__(head[2] * head[3])
        self._head = head
        self._scaling = scaling

    def load(self, rt):
        p = array("i", bytes(4 * 260))
        for i in range(4):
            p[i] = self._head[i]
        exp_table(self._scaling, p, 4)
        return Step(self.macs, rt.kernel("softmax").softmax, p)
