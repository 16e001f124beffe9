"""What the families share: the making of a `Layer`, and the checks of operands, activations and constants.

Raises throughout: ModelError, Unsupported.
"""

from array import array
from collections import namedtuple

from ...core.model_errors import ModelError, Unsupported
from .. import quant
from ..codes import INT8, INT32
from ..limits import MAX_CHANNELS

#: What an operator comes to. macs: multiply-accumulates of an inference (element operations where there are none), 0 if there is
#: nothing to run; kernel: its name; p: array("i") of its parameters; places: (index in p, tensor that lies there or SCRATCH),
#: what p holds being added; over: (position of an input, how the output may lie to it: SAME, BEFORE or a number), None: apart;
#: chunk, scratch: bytes of the arena that it wants for constants at a time, and to work in; weights: (position in the file,
#: bytes, bytes of a call of the kernel), None for none; channels: what `channels` takes, None if p is whole; count: channels
#: that constants are kept for.
Layer = namedtuple("Layer", "macs kernel p places over chunk scratch weights channels count")

# Fused activations (ActivationFunctionType).
_NONE = 0
_RELU = 1
_RELU_N1_TO_1 = 2
_RELU6 = 3


def layer(macs, kernel, p, places, over=None, chunk=0, scratch=0, weights=None, channels=None, count=0):
    """A `Layer` of these."""
    return Layer(macs, kernel, array("i", p), places, over, chunk, scratch, weights, channels, count)


def operands(xs, ys, least, most):
    """(``most`` inputs, None for one left out; the output) of an operator that has one, and at least ``least`` inputs."""
    if not least <= len(xs) <= most or None in xs[:least] or len(ys) != 1:
        raise ModelError("an operator has %d inputs and %d outputs" % (len(xs), len(ys)))
    return xs + [None] * (most - len(xs)), ys[0]


def activation(tensor, data=False):
    """The zero point of an int8 activation, which must have one scale. ``data``: it may be a constant."""
    if tensor is None or (tensor.data and not data):
        raise Unsupported("a constant where an activation is meant")
    if tensor.type != INT8:
        raise Unsupported("tensor %d is %s, not INT8" % (tensor.index, type_name(tensor.type)))
    if tensor.scales != 1:
        raise ModelError("tensor %d has %d scales" % (tensor.index, tensor.scales))
    quant.parts(tensor.scale)
    return tensor.zero


def type_name(code):
    """The schema's name of a tensor type."""
    from .. import opnames  # in memory only for a message

    return opnames.type_name(code)


def constant(tensor, kind, width):
    """Insist that a tensor is a constant of that type."""
    if not tensor.data:
        raise Unsupported("tensor %d is computed where a constant is meant" % tensor.index)
    if tensor.type != kind:
        raise Unsupported("tensor %d is %s, not %s" % (tensor.index, type_name(tensor.type), type_name(kind)))
    if tensor.bytes != width * tensor.elements:
        raise ModelError("tensor %d: %d bytes for %d elements" % (tensor.index, tensor.bytes, tensor.elements))


def ints(tensor, count):
    """The values of a constant of ``count`` int32s."""
    constant(tensor, INT32, 4)
    if len(tensor.values) != count or not count:
        raise ModelError("tensor %d holds %d numbers, not %d" % (tensor.index, tensor.elements, count))
    return tensor.values


def weights(w, bias, count, axis):
    """Insist on sound int8 weights and int32 biases (None: none) of ``count`` channels, the weights' dimension ``axis``."""
    constant(w, INT8, 1)
    if w.scales not in (1, count) or count > MAX_CHANNELS or w.zero:
        raise Unsupported("tensor %d: weights of %d channels, %d scales, zero point %d" % (w.index, count, w.scales, w.zero))
    if w.scales > 1 and w.axis != axis:
        raise Unsupported("tensor %d is quantised along dimension %d" % (w.index, w.axis))
    if bias is not None:
        constant(bias, INT32, 4)
        if bias.elements != count:
            raise ModelError("tensor %d holds %d biases for %d channels" % (bias.index, bias.elements, count))


def channels(x, w, bias, y, last=0, rounded=0):
    """The ``channels`` of a `Layer`: bits of the scales of input and output; position and number of the weights' scales, position
    of the biases, 0 for none; the input's zero point as the arena holds it; ``last``: the channels are the weights' last
    dimension; ``rounded``: to float32 is the product of input's and weights' scales, if there is one, as FULLY_CONNECTED does.
    """
    return x.scale, y.scale, w.scale_at, w.scales, bias.data if bias else 0, x.zero + 128, last, rounded


def head(index, w, count, activation, y):
    """The eleven words that the parameters of `kernels.int8.requantise` begin with."""
    low, high = activation_range(activation, y.scale, y.zero)
    return [index, int(w.scales > 1), count, y.zero + 128, low - y.zero, high - y.zero, 0, 0, 0, 0, 0]


def same_quantisation(x, y):
    """Insist that two activations stand for the same numbers."""
    if x.scale != y.scale or x.zero != y.zero:
        raise Unsupported("tensors %d and %d are quantised differently" % (x.index, y.index))


def activation_range(activation, scale, zero):
    """CalculateActivationRangeQuantized for int8: (lowest, highest) output. Raises: Unsupported."""
    if activation == _NONE:
        return -128, 127
    if activation == _RELU:
        return zero, 127
    if activation == _RELU6:
        return zero, min(127, zero + quantised(6, scale))
    if activation == _RELU_N1_TO_1:
        one = quantised(1, scale)
        return max(-128, zero - one), min(127, zero + one)
    raise Unsupported("fused activation %d" % activation)


def quantised(value, scale):
    """round(value / scale), the quotient a float32, halves away from zero; 255 stands for anything above."""
    m, e = quant.parts(scale)
    q, x = quant.rounded(value, m, 24)
    x -= e
    if x > -16:
        return 255
    return min(255, q + (1 << -x - 1) >> -x)
