"""Operators that only move bytes: CONCATENATION, SPLIT, SPLIT_V, STRIDED_SLICE, TRANSPOSE, PAD, PADV2, and variables' READ and
ASSIGN.

As in TFLite-Micro bytes are moved as they are, whatever scale and zero point are beside them; only CONCATENATION, PADV2 and
ASSIGN_VARIABLE insist on the same ones. Not: STRIDED_SLICE with an ellipsis or a new axis.
"""

from array import array

from ...core.model_errors import ModelError, Unsupported
from ..graph import INT8
from ..step import Step
from .layer import Layer, activation, constant, everything, ints, operands, same_quantisation

_CONCATENATION, _PAD, _TRANSPOSE, _STRIDED_SLICE, _PADV2 = 2, 34, 39, 45, 60
_SPLIT, _READ, _ASSIGN = 49, 143, 144


def prepare(graph, op, at):
    """See `ops`."""
    make = {_CONCATENATION: _concatenation, _PAD: _pad, _PADV2: _pad, _TRANSPOSE: _transpose, _STRIDED_SLICE: _strided_slice,
            _READ: _read, _ASSIGN: _assign}  # fmt: skip
    return make.get(op.code, _split)(graph, op, at)


class Move(Layer):
    """``boxes``: (x, y, [(count, step in x, step in y)]) of each; ``fill``: (offset, bytes, value), done before."""

    def __init__(self, boxes, fill=(0, 0, 0)):
        super().__init__(fill[1])
        p = list(fill) + [len(boxes)]
        for x, y, dims in boxes:
            dims = merged(dims, 2)
            n = 1
            for d in dims:
                n *= d[0]
            self.macs += n
            p += [x, y, len(dims)]
            for d in dims:
                p += d
        self._p = p

    def load(self, rt):
        return Step(self.macs, rt.kernel("move").move, array("i", self._p))


def merged(dims, steps):
    """Dimensions (count, as many ``steps``), as few as will do: without those of one item; neighbours made one where they can
    be.
    """
    found = []
    for d in dims:
        if d[0] == 1:
            continue
        if found and found[-1][1:] == [d[0] * s for s in d[1:]]:
            found[-1] = [found[-1][0] * d[0]] + list(d[1:])
        else:
            found.append(list(d))
    return found or [[1] * (1 + steps)]


def strides(shape):
    """The distance in elements between neighbours along each dimension."""
    found = [1] * len(shape)
    for i in range(len(shape) - 1, 0, -1):
        found[i - 1] = found[i] * shape[i]
    return found


def _axis(axis, rank):
    if not -rank <= axis < rank:
        raise ModelError("axis %d of %d dimensions" % (axis, rank))
    return axis % rank


def _parts(whole, parts, axis):
    """[(first element in the whole, [(count, step in the whole, step in the part)])] of tensors side by side along an axis."""
    for part in parts:
        shape = part.shape[:axis] + whole.shape[axis : axis + 1] + part.shape[axis + 1 :]
        if len(part.shape) != len(whole.shape) or shape != whole.shape:
            raise ModelError("tensors of %s and %s side by side" % (part.shape, whole.shape))
    if sum([part.shape[axis] for part in parts]) != whole.shape[axis]:
        raise ModelError("tensor %d isn't as long as its parts" % whole.index)
    inner = strides(whole.shape)[axis]
    outer = whole.elements // (inner * whole.shape[axis])
    first = 0
    found = []
    for part in parts:
        n = inner * part.shape[axis]
        found.append((first, [(outer, inner * whole.shape[axis], n), (n, 1, 1)]))
        first += n
    return found


def _concatenation(graph, op, at):
    xs, ys = everything(graph, op, len(op.inputs), 16, 1, 10)
    if not ys:
        raise ModelError("a CONCATENATION without an output")
    y = ys[0]
    if graph.reader.byte(op.options, 1):
        raise Unsupported("a CONCATENATION with an activation")
    yo, _ = activation(graph, y, at)
    axis = _axis(graph.reader.int(op.options, 0), len(y.shape))
    boxes = []
    for x, (first, dims) in zip(xs, _parts(y, xs, axis)):
        xo, _ = activation(graph, x, at)
        same_quantisation(graph, x, y)
        boxes.append((xo, yo + first, [(n, inside, outside) for n, outside, inside in dims]))
    return Move(boxes)


def _split(graph, op, at):
    if op.code == _SPLIT:
        (axis, x), ys = everything(graph, op, 2, 2, 16, 35)
    else:
        (x, _, axis), ys = everything(graph, op, 3, 3, 16, 79)
    xo, _ = activation(graph, x, at)
    axis = _axis(ints(graph, axis, 1)[0], len(x.shape))
    if op.code == _SPLIT and len({y.shape for y in ys}) != 1:
        raise ModelError("SPLIT into unequal parts")
    return Move([(xo + first, activation(graph, y, at)[0], dims) for y, (first, dims) in zip(ys, _parts(x, ys, axis))])


def _transpose(graph, op, at):
    (x, order), y = operands(graph, op, 2, 2, 26)
    xo, _ = activation(graph, x, at)
    yo, _ = activation(graph, y, at)
    rank = len(x.shape)
    order = ints(graph, order, rank)
    if sorted(order) != list(range(rank)) or y.shape != tuple([x.shape[i] for i in order]):
        raise ModelError("TRANSPOSE from %s to %s by %s" % (x.shape, y.shape, order))
    far = strides(x.shape)
    return Move([(xo, yo, [(n, far[i], to) for n, i, to in zip(y.shape, order, strides(y.shape))])])


def _strided_slice(graph, op, at):
    (x, begin, end, step), y = operands(graph, op, 4, 4, 32)
    xo, _ = activation(graph, x, at)
    yo, _ = activation(graph, y, at)
    r = graph.reader
    rank = len(x.shape)
    begins, ends, steps = [ints(graph, t, rank) for t in (begin, end, step)]
    begin_mask, end_mask, ellipsis, new, shrink = [r.int(op.options, i) for i in range(5)]
    if ellipsis or new or r.byte(op.options, 5):
        raise Unsupported("a STRIDED_SLICE with an ellipsis, a new axis or an offset")
    far = strides(x.shape)
    shape = []
    dims = []
    for i in range(rank):
        size, by = x.shape[i], steps[i]
        if not 0 < abs(by) <= 0x1000000:
            raise ModelError("STRIDED_SLICE by steps of %d" % by)
        # As StartForAxis and StopForAxis in strided_slice_logic.h.
        low, high = (0, size) if by > 0 else (-1, size - 1)
        first = min(high, max(low, begins[i] + (size if begins[i] < 0 else 0)))
        last = min(high, max(low, ends[i] + (size if ends[i] < 0 else 0)))
        if begin_mask >> i & 1:
            first = 0 if by > 0 else size - 1
        if end_mask >> i & 1:
            last = size if by > 0 else -1
        n = 1 if shrink >> i & 1 else max(0, -((first - last) // by) if by > 0 else -((last - first) // -by))
        if not shrink >> i & 1:
            shape.append(n)
        if not n or not 0 <= first < size:
            raise ModelError("STRIDED_SLICE of nothing")
        xo += first * far[i]
        dims.append((n, by * far[i]))
    if y.shape != tuple(shape):
        raise ModelError("STRIDED_SLICE yields %s, not %s" % (shape, y.shape))
    near = strides([n for n, _ in dims])
    return Move([(xo, yo, [(n, by, to) for (n, by), to in zip(dims, near)])])


def _pad(graph, op, at):
    (x, pads, value), y = operands(graph, op, 2 if op.code == _PAD else 3, 3, 22 if op.code == _PAD else 43)
    xo, _ = activation(graph, x, at)
    yo, zero = activation(graph, y, at)
    rank = len(x.shape)
    by = ints(graph, pads, 2 * rank)
    if min(by) < 0 or y.shape != tuple([x.shape[i] + by[2 * i] + by[2 * i + 1] for i in range(rank)]):
        raise ModelError("PAD from %s to %s by %s" % (x.shape, y.shape, by))
    if value is not None:
        constant(value, INT8, 1)
        if value.elements != 1:
            raise ModelError("PADV2 with %d values" % value.elements)
        same_quantisation(graph, value, y)
        zero = graph.reader.u8(value.data) ^ 128
    else:
        zero += 128
    near = strides(y.shape)
    first = sum([by[2 * i] * near[i] for i in range(rank)])
    dims = [(n, far, to) for n, far, to in zip(x.shape, strides(x.shape), near)]
    return Move([(xo, yo + first, dims)], (yo, y.elements, zero))


def _read(graph, op, at):
    (x,), y = operands(graph, op, 1, 1, 112)
    return Move([(at[x.index], activation(graph, y, at)[0], [(y.elements, 1, 1)])])


def _assign(graph, op, at):
    (y, x), _ = everything(graph, op, 2, 2, 0, 113)
    return Move([(activation(graph, x, at)[0], at[y.index], [(x.elements, 1, 1)])])
