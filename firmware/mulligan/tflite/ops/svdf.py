"""SVDF, with states of 16 or 8 bits. Source: tensorflow/lite/micro/kernels/svdf_common.cc."""

from array import array

from ...core.model_errors import ModelError, Unsupported
from .. import channels, quant, single
from ..graph import INT8, INT16, INT32
from ..runtime import READ
from .layer import MAX_DOT, MAX_SCRATCH, Layer, activation, constant, operands, weights, with_inputs


def prepare(graph, op, at):
    """See `ops`."""
    (x, feature, time, bias, state), y = operands(graph, op, 5, 5, 6) if -1 not in op.inputs else _without_bias(graph, op)
    xo, zx = activation(graph, x, at)
    yo, zero = activation(graph, y, at)
    rank = graph.reader.int(op.options, 0)
    if len(x.shape) != 2 or len(feature.shape) != 2 or len(time.shape) != 2 or time.type not in (INT8, INT16):
        raise ModelError("SVDF of %s by %s and %s" % (x.shape, feature.shape, time.shape))
    batch, k = x.shape
    filters, memory = time.shape
    width = 1 if time.type == INT8 else 2
    if rank < 1 or filters % rank or feature.shape != (filters, k) or y.shape != (batch, filters // rank):
        raise ModelError("SVDF of rank %d from %s by %s to %s" % (rank, x.shape, feature.shape, y.shape))
    if state.index not in at or not state.variable or state.type != time.type or state.elements != batch * filters * memory:
        raise ModelError("tensor %d is no state for SVDF" % state.index)
    weights(graph, feature, None, filters, 0)
    constant(time, time.type, width)
    if bias is not None:
        constant(bias, INT32, 4)
        if bias.elements != filters // rank:
            raise ModelError("SVDF with %d biases" % bias.elements)
    if k > MAX_DOT or memory * width > READ or 8 * filters > MAX_SCRATCH:
        raise Unsupported("SVDF of %d inputs, %d filters, %d states each" % (k, filters, memory))
    if feature.scales != 1:
        raise Unsupported("SVDF with a scale for each filter")
    sx, sf, st, ss, sy = [quant.parts(graph.scale(t)) for t in (x, feature, time, state, y)]
    scales = [_scale(sx, sf, ss), _scale(ss, st, sy)]
    places = xo, at[state.index], yo
    zeros = zx, graph.zero_point(state), zero
    return Svdf(graph, (feature, time, bias), places, zeros, scales, (batch, k, filters, memory, width, rank))


def _without_bias(graph, op):
    if len(op.inputs) != 5 or op.inputs[3] != -1 or op.inputs.count(-1) != 1:
        raise ModelError("SVDF with operands left out")
    found, y = operands(graph, with_inputs(op, op.inputs[:3] + op.inputs[4:]), 4, 4, 6)
    return found[:3] + [None, found[3]], y


def _scale(a, b, c):
    """The multiplier for a * b / c, each result a float32."""
    return single.multiplier32(quant.product32(a, b), c)


class Svdf(Layer):
    """``sizes``: batch, inputs, filters, states of a filter, bytes of a state, rank."""

    def __init__(self, graph, tensors, places, zeros, scales, sizes):
        batch, k, filters, memory, width, _ = sizes
        super().__init__(batch * filters * (k + memory))
        self.count = filters
        self.scratch = 8 * filters
        row = memory * width
        self.chunk = max(min(READ, filters * k), min(READ // row, filters) * row, min(READ, 4 * filters))
        self._graph = graph
        self._parts = tensors, places, zeros, scales, sizes

    def load(self, rt):
        from ..recurrent import SvdfStep

        (feature, time, bias), (xo, so, yo), (zx, zs, zero), ((q1, s1), (q2, s2)), sizes = self._parts
        batch, k, filters, memory, width, rank = sizes
        units = filters // rank
        acc = rt.scratch_at
        dots = array("i", [4, xo, k, acc] + [0] * filters)
        channels.fold(rt, dots, feature, None, filters, False, zx + 128)
        half = 128 << 8 * (width - 1)
        scale = array("i", (acc, filters, 0, q1, s1, 0, -half, half - 1))
        p = array("i", [so, memory, width, zs, filters, acc, acc + 4 * filters, rank, units] + [0] * units)
        if bias:
            for i in range(units):
                p[9 + i] = self._graph.reader.i32(bias.data + 4 * i)
        end = array("i", (11, 0, 1, zero + 128, -128 - zero, 127 - zero, acc, 0, 1, units, yo, 0, q2, s2 + 31))
        pieces = (feature.data, filters * k), (time.data, filters * memory * width)
        return SvdfStep(rt, self.macs, (dots, scale, p, end), batch, pieces)
