"""The last pass over a model, when its arena is there: each layer becomes a step, its constants worked out.

The constants of each output channel, folded bias and multiplier, stay in RAM, 9 bytes a channel (5 shared bytes instead of 5 each
where the weights have one scale); without the bias where `ops.dense` has it read at each inference.
"""

from array import array

from ..borrow import collect
from ..core.model_errors import Unsupported
from . import quant
from .codes import KERNELS
from .limits import READ


def kernels(engine, steps):
    """Bring the kernels of these steps into memory."""
    for words in steps[::2]:
        engine.kernel(KERNELS.split()[words[0]])


def load(engine, steps, flips, states):
    """The steps of a model: [kernel, its parameters, macs, offset of its place to work in, and of its constants: position in the
    file, bytes, bytes of a call, None in place of `Interpreter.bind`'s views]. The others are `plan.plan`'s; ``steps`` are used
    up.

    Raises: ModelError, Unsupported.
    """
    flip = engine.kernel("int8").flip
    found, last = [[[flip, array("i", place), 0, 0, 0, 0, 0, None] for place in places] for places in flips]
    if states:
        from . import memory

        first, after = memory.load(engine, *states)
        found.append([first, None, 0, 0, 0, 0, 0, None])
        last.insert(0, [after, None, 0, 0, 0, 0, 0, None])
    # The largest tables come first, as what the steps of this pass give back is small.
    order = sorted([(steps[i + 1][2] if len(steps[i]) > 7 else 0, i) for i in range(0, len(steps), 2)])
    while order:
        i = order.pop()[1]
        collect()
        kernel, macs, work, chunk, data, size, piece = steps[i][:7]
        name = KERNELS.split()[kernel]
        constants = steps[i][7:]
        p = steps[i + 1]
        steps[i] = steps[i + 1] = None
        reader = Pieces(engine, work, chunk)
        if name in ("svdf", "lstm"):
            from . import recurrent_load

            steps[i] = [getattr(recurrent_load, name)(engine, p, constants, reader), None, macs, 0, 0, 0, 0, None]
            continue
        if constants:
            p = table(reader, constants, p)
            bias, zero, inner = constants[4:7]
            if p[1] < 2:
                fold(reader, p, p[0], data, size, bias, zero, inner, p[2])
            if name == "gemm":
                p[21] = reader.mapped
        steps[i] = [getattr(engine.kernel(name), name), p, macs, work, data, size, piece, None]
    return found + steps[::2] + last


class Pieces:
    """What a layer reads of a model while it is loaded, into its place to work in: ``chunk`` bytes from offset ``work`` of the
    arena on. ``scratch``: what lies behind them.
    """

    def __init__(self, engine, work, chunk):
        self.kernel = engine.kernel
        self.mapped = engine.view is not None
        self._engine = engine
        self.work = work
        self.most = min(READ, chunk or READ) & -4
        self.scratch = (work or 0) + (chunk + 3 & -4)

    def get(self, at, n):
        """``n`` bytes of the model from ``at`` on, at most ``most``, and at least 4."""
        engine = self._engine
        if self.mapped:
            return engine.view[at : at + n]
        piece = memoryview(engine.arena)[self.work : self.work + n]
        engine.source.readinto(at, piece)
        return piece


def table(reader, constants, head):
    """An array("i") of ``head``, room for the biases if they are kept, and the multipliers, as `kernels.int8` says.

    ``constants``: see `ops.layer.channels`.
    """
    x_scale, y_scale, at, n, _, _, _, rounded = constants
    mult = len(head) + (head[2] if head[1] < 2 else 0)
    p = array("i", range(mult + n + (n + 3) // 4))  # by its length, so that no copy of it is made
    for i in p:
        p[i] = head[i] if i < len(head) else 0
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
