"""The constants of each output channel, worked out once when a model is loaded: folded bias and multiplier.

They stay in RAM, 9 bytes a channel (5 shared bytes instead of 5 each where the weights have one scale).
"""

from array import array

from ..core.model_errors import Unsupported
from . import quant
from .limits import READ


class Pieces:
    """What a layer reads of a model while it is loaded, into its place to work in: ``chunk`` bytes from offset ``work`` of the
    arena on. ``scratch_at``: what lies behind them.
    """

    def __init__(self, engine, work, chunk):
        self.kernel = engine.kernel
        self.mapped = engine.view is not None
        self._engine = engine
        self.work = work
        self.most = min(READ, chunk or READ) & -4
        self.scratch_at = (work or 0) + (chunk + 3 & -4)

    def get(self, at, n):
        """``n`` bytes of the model from ``at`` on, at most ``most``, and at least 4."""
        engine = self._engine
        if self.mapped:
            return engine.view[at : at + n]
        piece = memoryview(engine.arena)[self.work : self.work + n]
        engine.source.readinto(at, piece)
        return piece


def table(reader, constants, head):
    """An array("i") of ``head``, room for the biases, and the multipliers, as `kernels.int8` says. ``constants``: see
    `ops.layer.channels`.
    """
    x_scale, y_scale, at, n, _, _, _, rounded = constants
    mult = len(head) + head[2]
    p = array("i", bytes(4 * (mult + n + (n + 3) // 4)))
    for i, v in enumerate(head):
        p[i] = v
    xm, xe = quant.parts(x_scale)
    ym, ye = quant.parts(y_scale)
    known = None
    q = s = 0
    for c in range(n):
        i = 4 * c % reader.most
        if i == 0:
            piece = reader.get(at + 4 * c, min(reader.most, 4 * (n - c)))
        bits = piece[i] | piece[i + 1] << 8 | piece[i + 2] << 16 | piece[i + 3] << 24
        if bits != known:
            known = bits
            m, e = quant.parts(bits)
            if rounded and n == 1:
                # GetQuantizedConvolutionMultipler
                m, e = quant.product32((xm, xe), (m, e))
            else:
                m *= xm
                e += xe
            q, s = quant.multiplier(m, ym, e - ye)
            if s > 30:
                raise Unsupported("weights that need a multiplier of 2**%d" % s)
        p[mult + c] = q
        p[mult + n + c // 4] |= s + 31 << 8 * (c % 4)
    return p


def fold(reader, p, first, data, size, bias, zero, last, count):
    """Make the ``count`` words of ``p`` from ``first`` on bias - zero * the sum of the channel's weights, of which there are
    ``size`` bytes at ``data``, the channels being their first dimension, or with ``last`` the last one. ``bias``: position, 0
    for none.
    """
    kernels = reader.kernel("int8")
    q = array("i", (first, size // count, count if last else 0, zero))
    most = reader.most
    for at in range(0, size, most):
        n = min(most, size - at)
        kernels.sums(p, reader.get(data + at, n), at, q)
    for at in range(0, 4 * count, most):
        n = min(most, 4 * count - at)
        piece = reader.get(bias + at, n) if bias else bytes(n)
        kernels.fold(p, bytes(piece) if reader.mapped else piece, at, q)  # it reads aligned words
