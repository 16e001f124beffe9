"""UNIDIRECTIONAL_SEQUENCE_LSTM of int8 activations and weights and int16 cells. Not: peepholes, projection, layer normalisation.

Sources: tensorflow/lite/micro/kernels, lstm_eval.h, lstm_eval_common.cc, unidirectional_sequence_lstm.cc.
"""

from ...core.model_errors import ModelError, Unsupported
from .. import quant
from ..codes import INT16
from ..limits import MAX_DOT, MAX_SCRATCH, READ
from .layer import activation, layer, operands, weights

_TANH = 4
#: Positions of the four gates among the operands, in the kernel's order: forget, input, cell, output.
_GATES = 2, 1, 3, 4


def prepare(op, xs, ys):
    """See `ops`. ``channels`` is for `recurrent_load.lstm`."""
    xs = xs + [None] * (24 - len(xs))
    if len(op.inputs) < 20 or [t for t in xs[9:12] + xs[16:18] + xs[20:] if t is not None]:
        raise Unsupported("an LSTM with peepholes, a projection or layer normalisation")
    tensors, y = operands(xs[:9] + xs[12:16] + xs[18:20], ys, 15, 15)
    x, hidden, cell = tensors[0], tensors[13], tensors[14]
    zx = activation(x)
    activation(y)
    fused, clip, _, time_major, _, diagonal = op.options
    if fused != _TANH or diagonal:
        raise Unsupported("an LSTM with activation %d, or diagonal weights" % fused)
    if len(x.shape) != 3 or len(y.shape) != 3 or x.shape[:2] != y.shape[:2]:
        raise ModelError("LSTM from %s to %s" % (x.shape, y.shape))
    steps, batch = x.shape[:2] if time_major else (x.shape[1], x.shape[0])
    k, n = x.shape[2], y.shape[2]
    zh = activation(hidden)
    if cell.data or not (hidden.variable and cell.variable) or cell.type != INT16 or cell.scales != 1:
        raise ModelError("tensors %d and %d are no states for LSTM" % (hidden.index, cell.index))
    if hidden.elements != batch * n or cell.elements != batch * n:
        raise ModelError("LSTM with %d and %d states for %d units" % (hidden.elements, cell.elements, n))
    if 24 * n > MAX_SCRATCH or max(k, n) > MAX_DOT:
        raise Unsupported("an LSTM of %d inputs, %d units" % (k, n))
    sx, sh, sc = [quant.parts(t.scale) for t in (x, hidden, cell)]
    parts = []
    scales = []
    for gate in _GATES:
        for position, of, size, bias in ((gate, sx, k, tensors[8 + gate]), (4 + gate, sh, n, None)):
            w = tensors[position]
            if w.shape != (n, size) or w.scales != 1:
                raise Unsupported("tensor %d: LSTM weights of %s with %d scales" % (w.index, w.shape, w.scales))
            weights(w, bias, n, 0)
            m, e = quant.product32(of, quant.parts(w.scale))
            scales += quant.multiplier(m, 1, e + 12)
            parts += w.data, bias.data if bias else 0
    # Gates are in steps of 2**-15, cells in steps of a power of two.
    power = sc[1] + 23
    if sc[0] != 1 << 23 or not -15 <= power <= 0:
        raise Unsupported("an LSTM cell whose scale isn't a power of two from 2**-15 to 1")
    scales += quant.multiplier(1, 1, -15) + quant.multiplier(1, sc[0], -30 - sc[1]) + quant.multiplier(1, sh[0], -30 - sh[1])
    if max([scales[i] for i in range(1, len(scales), 2)]) > 30:
        raise Unsupported("an LSTM that multiplies by 2**30 or more")
    limit = 32768
    clip &= 0xFFFFFFFF
    if clip and not clip >> 31:
        m, e = quant.parts(clip)
        e -= power
        limit = 32767 if e > 0 else min(32767, m >> -e)
    places = (0, x.index), (1, hidden.index), (2, cell.index), (3, y.index)
    chunk = min(READ, max(k * n, n * n, 4 * n))
    parts += [zx, zh, batch, steps, k, n, time_major, limit, power] + scales
    macs = batch * steps * 4 * n * (k + n)
    return layer(macs, "lstm", (0, 0, 0, 0), places, None, chunk, 24 * n, None, tuple(parts), 8 * n)
