"""UNIDIRECTIONAL_SEQUENCE_LSTM of int8 activations and weights and int16 cells. Not: peepholes, projection, layer normalisation.

Sources: tensorflow/lite/micro/kernels, lstm_eval.h, lstm_eval_common.cc, unidirectional_sequence_lstm.cc.
"""

from array import array

from ...core.model_errors import ModelError, Unsupported
from .. import channels, fixedpoint, quant
from ..graph import INT16
from ..runtime import READ
from . import sigmoid
from .layer import MAX_DOT, MAX_SCRATCH, Layer, activation, everything, weights, with_inputs

_TANH = 4
#: Weights that are kept in memory, in bytes; more are read again for each step of a sequence.
_KEPT = 4096
#: Positions of the four gates among the operands, in the kernel's order: forget, input, cell, output.
_GATES = 2, 1, 3, 4


def prepare(graph, op, at):
    """See `ops`."""
    inputs = op.inputs + (-1,) * (24 - len(op.inputs))
    if len(op.inputs) < 20 or [i for i in inputs[9:12] + inputs[16:18] + inputs[20:] if i >= 0]:
        raise Unsupported("an LSTM with peepholes, a projection or layer normalisation")
    if -1 in inputs[:9] + inputs[12:16] + inputs[18:20] or len(op.outputs) != 1:
        raise ModelError("an LSTM with operands left out")
    tensors, (y,) = everything(graph, with_inputs(op, inputs[:9] + inputs[12:16] + inputs[18:20]), 15, 15, 1, 71)
    x, hidden, cell = tensors[0], tensors[13], tensors[14]
    xo, zx = activation(graph, x, at)
    yo, _ = activation(graph, y, at)
    r = graph.reader
    if r.byte(op.options, 0) != _TANH or r.byte(op.options, 5):
        raise Unsupported("an LSTM with activation %d, or diagonal weights" % r.byte(op.options, 0))
    if len(x.shape) != 3 or len(y.shape) != 3 or x.shape[:2] != y.shape[:2]:
        raise ModelError("LSTM from %s to %s" % (x.shape, y.shape))
    time_major = r.byte(op.options, 3)
    steps, batch = x.shape[:2] if time_major else (x.shape[1], x.shape[0])
    k, n = x.shape[2], y.shape[2]
    ho, zh = activation(graph, hidden, at)
    if cell.index not in at or not (hidden.variable and cell.variable) or cell.type != INT16 or cell.scales != 1:
        raise ModelError("tensors %d and %d are no states for LSTM" % (hidden.index, cell.index))
    if hidden.elements != batch * n or cell.elements != batch * n:
        raise ModelError("LSTM with %d and %d states for %d units" % (hidden.elements, cell.elements, n))
    if 24 * n > MAX_SCRATCH or max(k, n) > MAX_DOT:
        raise Unsupported("an LSTM of %d inputs, %d units" % (k, n))
    sx, sh, sc = [quant.parts(graph.scale(t)) for t in (x, hidden, cell)]
    parts = []
    scales = []
    for gate in _GATES:
        for position, of, size, bias in ((gate, sx, k, tensors[8 + gate]), (4 + gate, sh, n, None)):
            w = tensors[position]
            if w.shape != (n, size) or w.scales != 1:
                raise Unsupported("tensor %d: LSTM weights of %s with %d scales" % (w.index, w.shape, w.scales))
            weights(graph, w, bias, n, 0)
            m, e = quant.product32(of, quant.parts(graph.scale(w)))
            scales.append(quant.multiplier(m, 1, e + 12))
            parts.append((w, bias))
    # Gates are in steps of 2**-15, cells in steps of a power of two.
    power = sc[1] + 23
    if sc[0] != 1 << 23 or not -15 <= power <= 0:
        raise Unsupported("an LSTM cell whose scale isn't a power of two from 2**-15 to 1")
    scales += [quant.multiplier(1, 1, -15), quant.multiplier(1, sc[0], -30 - sc[1]), quant.multiplier(1, sh[0], -30 - sh[1])]
    if max([s for _, s in scales]) > 30:
        raise Unsupported("an LSTM that multiplies by 2**30 or more")
    clip = r.field(op.options, 1, 4)
    clip = r.u32(clip) if clip else 0
    limit = 32768
    if clip and not clip >> 31:
        m, e = quant.parts(clip)
        e -= power
        limit = 32767 if e > 0 else min(32767, m >> -e)
    places = xo, at[hidden.index], at[cell.index], yo
    return Lstm(graph, parts, places, (zx, zh), scales, (batch, steps, k, n, time_major), limit, power)


class Lstm(Layer):
    """``parts``: (weights, bias) of the eight products; ``scales``: of them and of the three products of gates."""

    def __init__(self, graph, parts, places, zeros, scales, sizes, limit, power):
        batch, steps, k, n, _ = sizes
        super().__init__(batch * steps * 4 * n * (k + n))
        self.count = 8 * n
        self.scratch = 24 * n
        self.chunk = min(READ, max(k * n, n * n, 4 * n))
        self._parts = graph, parts, places, zeros, scales, sizes, limit, power

    def load(self, rt):
        from ..recurrent import LstmStep

        graph, parts, places, (zx, zh), scales, sizes, limit, power = self._parts
        _, _, k, n, _ = sizes
        words = rt.scratch_at
        products = []
        p = [n, words, 0, 0, 0, limit, 3 << max(0, 12 + power), max(0, -12 - power), 97]
        for i, (w, bias) in enumerate(parts):
            hidden = i & 1
            size = n if hidden else k
            dots = array("i", [4, 0, size, words + 4 * n * hidden] + [0] * n)
            channels.fold(rt, dots, w, bias, n, False, (zh if hidden else zx) + 128)
            products.append((dots, w.data, n * size))
            p += [words + 4 * n * hidden, n, 0] + list(scales[i]) + [0, -32768, 32767]
        for i in range(2):
            p += [words + 4 * n * i, n, 0] + list(scales[8 + i]) + [0, -32768, 32767]
        p += [words, n, 0] + list(scales[10]) + [zh + 128, -128 - zh, 127 - zh]
        curve = sigmoid.table()
        p += [fixedpoint.wrap(curve[i] | curve[i + 1] << 16) for i in range(0, 256, 2)]
        return LstmStep(rt, self.macs, array("i", p), products, places, sizes, rt.view is None and 4 * n * (k + n) <= _KEPT)
