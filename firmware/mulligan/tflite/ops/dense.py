"""FULLY_CONNECTED, and what CONV_2D comes to as well: a matrix of patches times one of weights."""

from ...core.model_errors import ModelError, Unsupported
from ..codes import APART, BEFORE, PATCHES, SCRATCH, WINDOW
from ..limits import BLOCK, MAX_DOT, MAX_SCRATCH, READ
from .layer import activation, channels, head, layer, operands, weights

# Fewest channels whose biases are read at each inference, where there is one patch: fewer are kept, folded, in no more memory
# than the step takes that reads them.
_LEAST_APART = 64


def gemm(start, x, w, bias, y, k, window=None, rounded=0):
    """The `Layer`. ``start``: `layer.head`; ``k``: length of a dot product; ``window``: H to PAD of `kernels.gemm`, None where
    the patches are the input itself; ``rounded``: see `layer.channels`.
    """
    count = w.elements // k
    pixels = y.elements // count
    if k > (MAX_SCRATCH if window else MAX_DOT):
        raise Unsupported("dot products of %d elements" % k)
    piece = min(READ, w.elements)
    carry = 0
    if w.elements > piece and piece % k:
        # Reads that end with a channel are simpler, reads that are full are fewer.
        if (piece % k) * 20 > piece and 4 * pixels <= MAX_SCRATCH:
            carry = pixels
        elif k <= piece:
            piece -= piece % k
        else:
            raise Unsupported("%d dot products of %d elements" % (pixels, k))
    per = piece // k + 1
    block = max(1, min(pixels, BLOCK // 4 // per))
    over = None
    if window:
        block = max(1, min(block, BLOCK // k))
        if window[3:7] == [1, 1, 1, 1]:
            # Where the output lies over the input, patches are gathered before they are written over.
            over = (0, BEFORE) if piece == w.elements else None
            window = window if over else None
    scratch = 4 * (carry + block + block * per) + (block * k if window else 0)
    places = [(11, x.index), (12, y.index), (16, SCRATCH)]
    more = [WINDOW] + window if window else [PATCHES]
    if pixels == 1 and not window and bias and _LEAST_APART <= count <= READ // 4:
        more = [APART, scratch, x.zero + 128]
        places.append((23, SCRATCH))
        start[1] |= 2
        scratch += 4 * count
    p = start + [0, 0, k, pixels, block, 0, carry] + [0] * 4 + more
    p[0] = len(p)
    return layer(pixels * w.elements, "gemm", p, places, over, max(piece, min(READ, 4 * count)), scratch,
                 (w.data, w.elements, piece), channels(x, w, bias, y, 0, rounded), count)  # fmt: skip


def prepare(op, xs, ys):
    """See `ops`."""
    (x, w, bias), y = operands(xs, ys, 2, 3)
    activation(x)
    activation(y)
    if op.options[1]:
        raise Unsupported("shuffled FULLY_CONNECTED weights")
    if len(w.shape) != 2:
        raise ModelError("tensor %d: FULLY_CONNECTED weights of rank %d" % (w.index, len(w.shape)))
    count, k = w.shape
    rows = x.elements // k
    if rows * k != x.elements or y.elements != rows * count or not y.shape or y.shape[-1] != count:
        raise ModelError("tensor %d doesn't fit FULLY_CONNECTED's input or output" % w.index)
    weights(w, bias, count, 0)
    return gemm(head(35, w, count, op.options[0], y), x, w, bias, y, k, None, 1)
