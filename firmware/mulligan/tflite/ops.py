"""Checks each operator against what its kernel can do, and makes the step that does it.

The kernels check nothing, so all that they rely on is established here: types, ranks, every dimension against every other, the
output's shape as computed, lengths of weights, biases and quantisation, that the operands are constants where they must be.

Raises throughout: ModelError (operands that contradict each other), Unsupported (what this engine doesn't do, by name).
"""

from ..core.errors import ModelError, Unsupported
from . import channels, quant, steps
from .arena import RESHAPE
from .graph import INT8, INT32, type_name

#: Most elements under a dot product: keeps the sum of 255 * 128 * k within 32 bits.
MAX_DOT = 65536
#: Bytes of scratch for one patch, or one strip of a depthwise layer's input; words for one of its output rows.
MAX_SCRATCH = 16384
MAX_ROW = 2048
MAX_TAPS = 256
#: Largest softmax row: keeps the sum of the exponentials within 31 bits.
MAX_DEPTH = 4095
#: Largest side, stride or window of an image.
MAX_SIDE = 4096

_SAME = 0


def prepare(graph, op, at):
    """The step (see `steps`) of an operator; None for one that moves nothing.

    ``at``: offset in the arena of each activation, by tensor index (`arena.plan`).
    """
    make = _MAKERS.get(op.code)
    if make is None:
        from .opnames import op_name

        raise Unsupported("operator %s is not supported" % op_name(op.code))
    return make(graph, op, at)


def _operands(graph, op, least, most, kind):
    """(input tensors, None for one left out, ``most`` of them; the output tensor)"""
    if not least <= len(op.inputs) <= most or -1 in op.inputs[:least] or len(op.outputs) != 1:
        raise ModelError("an operator has %d inputs and %d outputs" % (len(op.inputs), len(op.outputs)))
    if op.kind not in (0, kind) or (op.kind == 0) != (op.options == 0):
        raise ModelError("an operator has another one's options")
    found = [graph.tensor(i) if i >= 0 else None for i in op.inputs] + [None] * (most - len(op.inputs))
    return found, graph.tensor(op.outputs[0])


def _activation(graph, tensor, at):
    """(arena offset, zero point) of an activation with the one scale and zero point it must have."""
    if tensor.index not in at:
        raise Unsupported("tensor %d is a constant where an activation is meant" % tensor.index)
    if tensor.scales != 1 or tensor.zeros > 1:
        raise ModelError("tensor %d has %d scales, %d zero points" % (tensor.index, tensor.scales, tensor.zeros))
    quant.parts(graph.scale(tensor))
    return at[tensor.index], graph.zero_point(tensor)


def _constant(tensor, kind, width):
    if not tensor.data:
        raise Unsupported("tensor %d is computed where a constant is meant" % tensor.index)
    if tensor.type != kind:
        raise Unsupported("tensor %d is %s, not %s" % (tensor.index, type_name(tensor.type), type_name(kind)))
    if tensor.bytes != width * tensor.elements:
        raise ModelError("tensor %d: %d bytes for %d elements" % (tensor.index, tensor.bytes, tensor.elements))


def _weights(graph, w, bias, count, axis):
    _constant(w, INT8, 1)
    if bias is not None:
        _constant(bias, INT32, 4)
    channels.check(graph, w, bias, count, axis)


def _image(tensor):
    if len(tensor.shape) != 4 or max(tensor.shape) > MAX_SIDE:
        raise Unsupported("tensor %d has shape %s: not an image" % (tensor.index, tensor.shape))
    return tensor.shape


def _window(graph, op, x, y, kh, kw):
    """(h, w, c, kh, kw, sh, sw, pt, pl, ow), the output's height and width checked."""
    n, h, w, c = _image(x)
    sw = graph.reader.int(op.options, 1)
    sh = graph.reader.int(op.options, 2)
    if not (0 < sh <= MAX_SIDE and 0 < sw <= MAX_SIDE and 0 < kh <= MAX_SIDE and 0 < kw <= MAX_SIDE):
        raise ModelError("a window of %d x %d by steps of %d x %d" % (kh, kw, sh, sw))
    padding = graph.reader.byte(op.options, 0)
    if padding > 1:
        raise ModelError("padding %d" % padding)
    if padding == _SAME:
        oh = (h + sh - 1) // sh
        ow = (w + sw - 1) // sw
    else:
        oh = (h - kh + sh) // sh
        ow = (w - kw + sw) // sw
    out = _image(y)
    if out[0] != n or oh != out[1] or ow != out[2]:
        raise ModelError("tensor %d should be %d x %d x %d" % (y.index, n, oh, ow))
    pt = max(0, (oh - 1) * sh + kh - h) // 2
    pl = max(0, (ow - 1) * sw + kw - w) // 2
    return h, w, c, kh, kw, sh, sw, pt, pl, ow


def _undilated(graph, op, field):
    dw = graph.reader.int(op.options, field, 1)
    dh = graph.reader.int(op.options, field + 1, 1)
    if dw != 1 or dh != 1:
        raise Unsupported("a dilated convolution (%d x %d)" % (dh, dw))


def _clamp(graph, op, field, y, zero):
    """(zero, low, high) for `kernels.requantise`."""
    low, high = quant.activation_range(graph.reader.byte(op.options, field), graph.scale(y), zero)
    return zero + 128, low - zero, high - zero


def _conv(graph, op, at):
    (x, w, bias), y = _operands(graph, op, 2, 3, 1)
    xo, _ = _activation(graph, x, at)
    yo, zero = _activation(graph, y, at)
    _undilated(graph, op, 4)
    count, kh, kw, c = _image(w)
    window = _window(graph, op, x, y, kh, kw)
    if c != x.shape[3]:
        raise Unsupported("a grouped convolution (%d of %d channels)" % (c, x.shape[3]))
    if count != y.shape[3]:
        raise ModelError("tensor %d should have %d channels" % (y.index, count))
    _weights(graph, w, bias, count, steps.Gemm.axis)
    k = kh * kw * c
    if window[3:7] == (1, 1, 1, 1):
        window = None
    if k > (MAX_SCRATCH if window else MAX_DOT):
        raise Unsupported("a convolution over patches of %d bytes" % k)
    make = steps.LongGemm if k > steps.CHUNK else steps.Gemm
    n, oh, ow, _ = y.shape
    return make(x, w, bias, y, (xo, yo), n, oh * ow, count, k, window, _clamp(graph, op, 3, y, zero))


def _depthwise(graph, op, at):
    (x, w, bias), y = _operands(graph, op, 2, 3, 2)
    xo, _ = _activation(graph, x, at)
    yo, zero = _activation(graph, y, at)
    _undilated(graph, op, 5)
    one, kh, kw, count = _image(w)
    window = _window(graph, op, x, y, kh, kw)
    m = count // x.shape[3]
    if one != 1 or m * x.shape[3] != count or y.shape[3] != count or graph.reader.int(op.options, 3) not in (0, m):
        raise ModelError("tensor %d doesn't fit its depthwise convolution" % w.index)
    _weights(graph, w, bias, count, steps.Depthwise.axis)
    if kh * kw > MAX_TAPS or window[9] > MAX_ROW:
        raise Unsupported("a depthwise window of %d x %d, rows of %d" % (kh, kw, window[9]))
    step = steps.Depthwise(x, w, bias, y, (xo, yo), x.shape[0], y.shape[1], m, window, _clamp(graph, op, 4, y, zero))
    if step.plane > MAX_SCRATCH:
        raise Unsupported("a depthwise strip of %d bytes" % step.plane)
    return step


def _fully_connected(graph, op, at):
    (x, w, bias), y = _operands(graph, op, 2, 3, 8)
    xo, _ = _activation(graph, x, at)
    yo, zero = _activation(graph, y, at)
    if graph.reader.byte(op.options, 1):
        raise Unsupported("shuffled FULLY_CONNECTED weights")
    if len(w.shape) != 2:
        raise ModelError("tensor %d: FULLY_CONNECTED weights of rank %d" % (w.index, len(w.shape)))
    count, k = w.shape
    rows = x.elements // k
    if rows * k != x.elements or y.elements != rows * count or not y.shape or y.shape[-1] != count:
        raise ModelError("tensor %d doesn't fit FULLY_CONNECTED's input or output" % w.index)
    _weights(graph, w, bias, count, steps.Gemm.axis)
    if k > MAX_DOT:
        raise Unsupported("FULLY_CONNECTED over %d elements" % k)
    make = steps.LongGemm if k > steps.CHUNK else steps.Gemm
    return make(x, w, bias, y, (xo, yo), 1, rows, count, k, None, _clamp(graph, op, 0, y, zero), True)


def _same_quantisation(graph, x, y):
    if graph.scale(x) != graph.scale(y) or graph.zero_point(x) != graph.zero_point(y):
        raise Unsupported("tensors %d and %d are quantised differently" % (x.index, y.index))


def _pool(graph, op, at, average):
    (x,), y = _operands(graph, op, 1, 1, 5)
    xo, zero = _activation(graph, x, at)
    yo, _ = _activation(graph, y, at)
    _same_quantisation(graph, x, y)
    window = _window(graph, op, x, y, graph.reader.int(op.options, 4), graph.reader.int(op.options, 3))
    if x.shape[3] != y.shape[3]:
        raise ModelError("tensor %d should have %d channels" % (y.index, x.shape[3]))
    low, high = quant.activation_range(graph.reader.byte(op.options, 5), graph.scale(y), zero)
    return steps.Pool((xo, yo), x.shape[0], y.shape[1], average, window, (low + 128, high + 128))


def _average(graph, op, at):
    return _pool(graph, op, at, 1)


def _max(graph, op, at):
    return _pool(graph, op, at, 0)


def _reshape(graph, op, at):
    (x, _), y = _operands(graph, op, 1, 2, 17)
    _activation(graph, x, at)
    _activation(graph, y, at)
    _same_quantisation(graph, x, y)
    if x.elements != y.elements:
        raise ModelError("RESHAPE from %s to %s" % (x.shape, y.shape))
    return


def _softmax(graph, op, at):
    (x,), y = _operands(graph, op, 1, 1, 9)
    xo, _ = _activation(graph, x, at)
    yo, zero = _activation(graph, y, at)
    if x.shape != y.shape or not x.shape:
        raise ModelError("SOFTMAX from %s to %s" % (x.shape, y.shape))
    if graph.scale(y) != 0x3B800000 or zero != -128:
        raise Unsupported("a SOFTMAX whose output isn't quantised by 1/256 from -128")
    depth = x.shape[-1]
    if depth > MAX_DEPTH:
        raise Unsupported("a SOFTMAX over %d" % depth)
    beta = graph.reader.field(op.options, 0, 4)
    exps = quant.exp_table(graph.reader.u32(beta) if beta else 0, graph.scale(x))
    return steps.Softmax((xo, yo), x.elements // depth, depth, exps)


_MAKERS = {1: _average, 3: _conv, 4: _depthwise, 9: _fully_connected, 17: _max, RESHAPE: _reshape, 25: _softmax}
