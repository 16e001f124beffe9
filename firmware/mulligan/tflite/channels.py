"""The constants of each output channel, worked out once when a model is loaded: folded bias and multiplier.

They stay in RAM, 9 bytes a channel (5 shared bytes instead of 5 each where the weights have one scale).
"""

from array import array

from ..core.errors import ModelError, Unsupported
from . import quant

#: Most output channels of one op; keeps each table within 16 KB.
MAX_CHANNELS = 4096
#: Most channels of a whole model.
MAX_ALL_CHANNELS = 32768


def check(graph, weights, bias, count, axis):
    """Raise ModelError or Unsupported unless weights and bias (None if absent) are sound for ``count`` channels."""
    if count > MAX_CHANNELS:
        raise Unsupported("%d output channels: at most %d" % (count, MAX_CHANNELS))
    if weights.scales not in (1, count):
        raise ModelError("tensor %d has %d scales for %d channels" % (weights.index, weights.scales, count))
    if weights.scales > 1 and weights.axis != axis:
        raise Unsupported("tensor %d is quantised along dimension %d" % (weights.index, weights.axis))
    if weights.zeros not in (0, weights.scales):
        raise ModelError("tensor %d has %d zero points" % (weights.index, weights.zeros))
    for c in range(weights.zeros):
        if graph.zero_point(weights, c):
            raise Unsupported("tensor %d: weights with a zero point" % weights.index)
    if bias is not None and bias.elements != count:
        raise ModelError("tensor %d holds %d biases for %d channels" % (bias.index, bias.elements, count))


def multipliers(graph, x, weights, y, round_product):
    """(mult, shift + 31) of each channel, as an array and a bytearray, of one item if the weights have one scale.

    ``round_product``: round the product of a single pair of scales to float32, as FULLY_CONNECTED does
    (GetQuantizedConvolutionMultipler).
    """
    n = weights.scales
    mult = array("i", bytes(4 * n))
    shift = bytearray(n)
    xm, xe = quant.parts(graph.scale(x))
    ym, ye = quant.parts(graph.scale(y))
    known = None
    q = s = 0
    for c in range(n):
        bits = graph.scale(weights, c)
        if bits != known:
            known = bits
            m, e = quant.parts(bits)
            if round_product and n == 1:
                m, e = quant.product32((xm, xe), (m, e))
            else:
                m *= xm
                e += xe
            q, s = quant.multiplier(m, ym, e - ye)
            if s > 30:
                raise Unsupported("tensor %d needs a multiplier of 2**%d" % (weights.index, s))
        mult[c] = q
        shift[c] = s + 31
    return mult, shift


def fold(rt, bias, totals, zero):
    """Make ``totals``, the sum of each channel's weights, into bias - zero * total; ``bias`` is a Tensor or None."""
    n = len(totals)
    per = len(rt.chunk) // 4
    for first in range(0, n, per):
        m = min(per, n - first)
        view = rt.view(0, 4 * m)
        if bias is not None:
            rt.source.readinto(bias.data + 4 * first, view)
        else:
            view[:] = bytes(4 * m)
        rt.kernels.fold(totals, view, first, m, zero)
