"""What the operators of `lookup` do to one int8, in exact integers.

Sources: tensorflow/lite/micro/kernels (logistic, tanh, activations, leaky_relu, hard_swish: the _common.cc of each),
tensorflow/lite/kernels/internal/reference (integer_ops/logistic.h and tanh.h, leaky_relu.h, hard_swish.h), and gemmlowp's
fixedpoint.h.
"""

from ...core.model_errors import Unsupported
from .. import fixedpoint, quant, single
from ..codes import HARD_SWISH, LEAKY_RELU, LOGISTIC, RELU, RELU6, TANH
from .layer import quantised


def curve(code, x_scale, x_zero, y_scale, y_zero, alpha):
    """A function from an input minus its zero point to the output, which is to be clamped to int8.

    Scales, and ``alpha`` of LEAKY_RELU, are the bits of float32s. Raises: ModelError, Unsupported.
    """
    xs, ys = quant.parts(x_scale), quant.parts(y_scale)
    if code == RELU6:
        # What the input's range calls 6; no rescaling, whatever the output's.
        six = quantised(6, x_scale)
        return lambda d: min(127, x_zero + min(six, max(0, d)))
    if code == RELU:
        scale = single.multiplier32(xs, ys)
        return lambda d: max(y_zero, y_zero + fixedpoint.requantise(d, *scale))
    if code == LEAKY_RELU:
        return _leaky(xs, ys, y_zero, alpha)
    if code == HARD_SWISH:
        return _hard_swish(xs, ys, y_zero)
    if code == LOGISTIC and y_zero != -128:
        raise Unsupported("a LOGISTIC whose output isn't quantised from -128")
    return _sigmoid(xs, code == TANH)


def _leaky(xs, ys, zero, alpha):
    above = single.multiplier32(xs, ys)
    sign = -1 if alpha >> 31 else 1
    alpha &= 0x7FFFFFFF
    below = single.multiplier32(quant.product32(xs, quant.parts(alpha)), ys) if alpha else (0, 0)
    return lambda d: zero + (fixedpoint.requantise(d, *above) if d >= 0 else sign * fixedpoint.requantise(d, *below))


def _sigmoid(xs, tanh):
    # The input in Q4.27, whose multiplier needs no rounding; beyond ±15 the result is an end of the range.
    q = xs[0] << 7
    shift = xs[1] + 24 + 27
    if shift < 0:
        raise Unsupported("a LOGISTIC or TANH of a scale this small")
    radius = (15 << 27) >> shift

    def at(d):
        if d <= -radius:
            return -128
        if d >= radius:
            return 127
        v = fixedpoint.requantise(d, q, shift)
        if tanh:
            # tanh v = (1 - exp(-2v)) / (1 + exp(-2v)); the same bits, read as Q5.26, are twice as much.
            r = min(0x7FFFFFFF, fixedpoint.newton(fixedpoint.exp(-abs(v), 5)) - (1 << 29) << 2) if v else 0
            return fixedpoint.round_shift(r if v > 0 else -r, 24)
        r = fixedpoint.reciprocal(fixedpoint.exp(-abs(v), 4)) if v else 1 << 30
        return fixedpoint.round_shift(r if v >= 0 else 0x7FFFFFFF - r, 23) - 128

    return at


def _hard_swish(xs, ys, zero):
    hires = xs[0], xs[1] - 7
    out, out_shift = single.multiplier32(hires, ys)
    relu, relu_shift = single.multiplier32(hires, (3, -15))
    if not (-15 <= out_shift <= 0 and -15 <= relu_shift <= 30):
        raise Unsupported("a HARD_SWISH of such scales")
    out, relu = [min(32767, q + 32768 >> 16) for q in (out, relu)]

    def at(d):
        d <<= 7
        r = d
        if relu_shift > 0:
            r = _int16(r << relu_shift - 1)
        r = _high(r, relu)
        if relu_shift > 0:
            r = _int16(r << 1)
        else:
            r = fixedpoint.round_shift(r, -relu_shift)
        r = (r + 32768 >> 1) * _high(d, out)
        return fixedpoint.round_shift(r >> 15 if r >= 0 else -(-r >> 15), -out_shift) + zero

    return at


def _int16(v):
    return min(32767, max(-32768, v))


def _high(a, b):
    """SaturatingRoundingDoublingHighMul of int16s, b above 0."""
    v = a * b
    return v + 0x4000 >> 15 if v >= 0 else -(0x3FFF - v >> 15)
