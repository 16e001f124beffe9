"""The constants of each output channel, worked out once when a model is loaded: folded bias and multiplier.

They stay in RAM, 9 bytes a channel (5 shared bytes instead of 5 each where the weights have one scale).
"""

from array import array

from ..core.model_errors import Unsupported
from . import quant
from .runtime import READ


def table(graph, head, x, weights, y, count, round_product=False):
    """An array("i") of ``head``, room for the ``count`` biases, and the multipliers, as `kernels.requantise` says.

    ``round_product``: round the product of a single pair of scales to float32, as FULLY_CONNECTED does
    (GetQuantizedConvolutionMultipler).
    """
    n = weights.scales
    p = array("i", bytes(4 * (len(head) + count + n + (n + 3) // 4)))
    for i, v in enumerate(head):
        p[i] = v
    mult = len(head) + count
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
        p[mult + c] = q
        p[mult + n + c // 4] |= s + 31 << 8 * (c % 4)
    return p


def fold(rt, p, weights, bias, count, last, zero):
    """Make the biases in ``p`` bias - zero * the sum of the channel's weights; ``bias`` is a Tensor or None.

    The channels are the weights' first dimension, or with ``last`` the last one.
    """
    kernels = rt.kernel("int8")
    q = array("i", (p[0], weights.elements // count, count if last else 0, zero))
    most = min(READ, rt.chunk or READ) & -4
    for at in range(0, weights.elements, most):
        kernels.sums(p, rt.weights(weights.data + at, min(most, weights.elements - at)), at, q)
    for at in range(0, 4 * count, most):
        n = min(most, 4 * count - at)
        piece = rt.weights(bias.data + at, n) if bias else bytes(n)
        kernels.fold(p, piece if rt.view is None else bytes(piece), at, q)  # the kernel reads aligned words
