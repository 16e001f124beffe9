"""What the families share: the `Layer` that they return, and the checks of operands, activations and constants.

Raises throughout: ModelError, Unsupported.
"""

from ...core.model_errors import ModelError, Unsupported
from .. import quant
from ..graph import FLOAT32, INT8, INT32, UINT8, Op, type_name

#: Most elements under a dot product: keeps the sum of 255 * 255 * k within 32 bits.
MAX_DOT = 65536
#: Most bytes of scratch for one thing: a patch, a plane, accumulators.
MAX_SCRATCH = 16384
#: Bytes of accumulators, and of gathered patches, that are aimed at: more would gain nothing.
BLOCK = 2048
#: Most output channels of one op; keeps each table within 40 KB.
MAX_CHANNELS = 4096
#: Most channels of a whole model.
MAX_ALL_CHANNELS = 32768

#: How an operator's output may lie to its input, where that dies with it. SAME: they are one (nothing moves). BEFORE: the output
#: begins and ends no later than the input does. A number above 0: within the input, so many bytes from its start, or a multiple.
SAME, BEFORE = 0, -1


class Layer:
    """What a family's preparation returns, most of it for the planner.

    - ``macs``: multiply-accumulates of an inference (element operations where there are none); 0 if there is nothing to run
    - ``count``: output channels that constants are kept for
    - ``chunk``, ``scratch``: bytes of the arena that it wants for constants at a time, and to work in
    - ``over``: (position of an input, how the output may lie to it: see SAME and BEFORE); None: apart
    """

    count = chunk = scratch = 0

    def __init__(self, macs, over=None):
        self.macs = macs
        self.over = over

    def load(self, rt):
        """What stays: an object with ``macs`` and ``run(rt)``. Only called if there are ``macs``; ``rt``: `runtime.Runtime`."""
        raise NotImplementedError


def operands(graph, op, least, most, kind):
    """(input tensors, None for one left out, ``most`` of them; the output tensor). ``kind``: BuiltinOptions, of the options."""
    found, ys = everything(graph, op, least, most, 1, kind)
    if len(ys) != 1:
        raise ModelError("an operator without an output")
    return found + [None] * (most - len(found)), ys[0]


def everything(graph, op, least, most, outputs, kind):
    """(input tensors, None for one left out; output tensors, at most ``outputs``) of an operator with any number of them."""
    if not least <= len(op.inputs) <= most or -1 in op.inputs[:least] or len(op.outputs) > outputs:
        raise ModelError("an operator has %d inputs and %d outputs" % (len(op.inputs), len(op.outputs)))
    if op.kind not in (0, kind) or (op.kind == 0) != (op.options == 0):
        raise ModelError("an operator has another one's options")
    return [graph.tensor(i) if i >= 0 else None for i in op.inputs], [graph.tensor(i) for i in op.outputs]


def with_inputs(op, inputs):
    """The same operator with other inputs."""
    return Op(op.code, inputs, op.outputs, op.options, op.kind)


def activation(graph, tensor, at):
    """(offset in the arena, zero point) of an int8 activation, which must have one scale."""
    if tensor.index not in at:
        raise Unsupported("tensor %d is a constant where an activation is meant" % tensor.index)
    if tensor.type != INT8:
        raise Unsupported("tensor %d is %s, not INT8" % (tensor.index, type_name(tensor.type)))
    if tensor.scales != 1 or tensor.zeros > 1:
        raise ModelError("tensor %d has %d scales, %d zero points" % (tensor.index, tensor.scales, tensor.zeros))
    quant.parts(graph.scale(tensor))
    return at[tensor.index], graph.zero_point(tensor)


def end(graph, tensor, at):
    """(offset in the arena, zero point as the arena holds it) of an activation of int8, uint8 or float32 (whose zero is 0)."""
    if tensor.type == FLOAT32 and tensor.index in at:
        return at[tensor.index], 0
    if tensor.type == UINT8 and tensor.index in at and tensor.scales == 1 and tensor.zeros <= 1:
        return at[tensor.index], graph.zero_point(tensor)
    offset, zero = activation(graph, tensor, at)
    return offset, zero + 128


def ints(graph, tensor, count):
    """The values of a constant of ``count`` int32s, at most 16."""
    constant(tensor, INT32, 4)
    if tensor.elements != count or count > 16:
        raise ModelError("tensor %d holds %d numbers, not %d" % (tensor.index, tensor.elements, count))
    return [graph.reader.i32(tensor.data + 4 * i) for i in range(count)]


def constant(tensor, kind, width):
    """Insist that a tensor is a constant of that type."""
    if not tensor.data:
        raise Unsupported("tensor %d is computed where a constant is meant" % tensor.index)
    if tensor.type != kind:
        raise Unsupported("tensor %d is %s, not %s" % (tensor.index, type_name(tensor.type), type_name(kind)))
    if tensor.bytes != width * tensor.elements:
        raise ModelError("tensor %d: %d bytes for %d elements" % (tensor.index, tensor.bytes, tensor.elements))


def weights(graph, w, bias, count, axis):
    """Insist on sound int8 weights and int32 biases (None: none) of ``count`` channels, the weights' dimension ``axis``."""
    constant(w, INT8, 1)
    if bias is not None:
        constant(bias, INT32, 4)
    if count > MAX_CHANNELS:
        raise Unsupported("%d output channels: at most %d" % (count, MAX_CHANNELS))
    if w.scales not in (1, count):
        raise ModelError("tensor %d has %d scales for %d channels" % (w.index, w.scales, count))
    if w.scales > 1 and w.axis != axis:
        raise Unsupported("tensor %d is quantised along dimension %d" % (w.index, w.axis))
    if w.zeros not in (0, w.scales):
        raise ModelError("tensor %d has %d zero points" % (w.index, w.zeros))
    for c in range(w.zeros):
        if graph.zero_point(w, c):
            raise Unsupported("tensor %d: weights with a zero point" % w.index)
    if bias is not None and bias.elements != count:
        raise ModelError("tensor %d holds %d biases for %d channels" % (bias.index, bias.elements, count))


def clamp(graph, op, field, y, zero):
    """(ZERO, LOW, HIGH) for `kernels.requantise`."""
    low, high = quant.activation_range(graph.reader.byte(op.options, field), graph.scale(y), zero)
    return zero + 128, low - zero, high - zero


def same_quantisation(graph, x, y):
    """Insist that two activations stand for the same numbers."""
    if graph.scale(x) != graph.scale(y) or graph.zero_point(x) != graph.zero_point(y):
        raise Unsupported("tensors %d and %d are quantised differently" % (x.index, y.index))
