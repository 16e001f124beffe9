"""Operators that only move bytes: CONCATENATION, SPLIT, SPLIT_V, STRIDED_SLICE, TRANSPOSE, PAD, PADV2, and variables' READ and
ASSIGN.

As in TFLite-Micro bytes are moved as they are, whatever scale and zero point are beside them; only CONCATENATION, PADV2 and
ASSIGN_VARIABLE insist on the same ones. Not: STRIDED_SLICE with an ellipsis or a new axis.
"""

from ...core.model_errors import ModelError, Unsupported
from ..codes import ASSIGN_VARIABLE, CONCATENATION, INT8, PAD, PADV2, READ_VARIABLE, SPLIT, STRIDED_SLICE, TRANSPOSE
from .layer import activation, constant, ints, layer, operands, same_quantisation

_MOST = 16  # tensors that are split or put together


def prepare(op, xs, ys):
    """See `ops`."""
    make = {CONCATENATION: _concatenation, PAD: _pad, PADV2: _pad, TRANSPOSE: _transpose, STRIDED_SLICE: _strided_slice,
            READ_VARIABLE: _read, ASSIGN_VARIABLE: _assign}  # fmt: skip
    return make.get(op.code, _split)(op, xs, ys)


def _move(boxes, fill=None):
    """The `Layer`. ``boxes``: (x, elements from its start on, y, elements from its start on, [(count, step in x, step in y)]) of
    each; ``fill``: (tensor, value) that is filled with it before.
    """
    p = [0, fill[0].elements if fill else 0, fill[1] if fill else 0, len(boxes)]
    places = [(0, fill[0].index)] if fill else []
    macs = p[1]
    for x, first, y, to, dims in boxes:
        dims = merged(dims, 2)
        n = 1
        for d in dims:
            n *= d[0]
        macs += n
        places += [(len(p), x.index), (len(p) + 1, y.index)]
        p += [first, to, len(dims)]
        for d in dims:
            p += d
    return layer(macs, "move", p, places)


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


def _concatenation(op, xs, ys):
    xs, y = operands(xs, ys, len(xs), _MOST)
    xs = xs[: len(op.inputs)]
    axis, fused = op.options
    if fused:
        raise Unsupported("a CONCATENATION with an activation")
    activation(y)
    for x in xs:
        activation(x, True)
        same_quantisation(x, y)
    parts = _parts(y, xs, _axis(axis, len(y.shape)))
    return _move([(x, 0, y, first, [(n, a, b) for n, b, a in dims]) for x, (first, dims) in zip(xs, parts)])


def _split(op, xs, ys):
    if len(xs) != (2 if op.code == SPLIT else 3) or None in xs or not 0 < len(ys) <= _MOST:
        raise ModelError("a SPLIT of %d inputs to %d outputs" % (len(xs), len(ys)))
    axis, x = xs if op.code == SPLIT else (xs[2], xs[0])
    activation(x)
    for y in ys:
        activation(y)
    if op.code == SPLIT and len({y.shape for y in ys}) != 1:
        raise ModelError("SPLIT into unequal parts")
    parts = _parts(x, ys, _axis(ints(axis, 1)[0], len(x.shape)))
    return _move([(x, first, y, 0, dims) for y, (first, dims) in zip(ys, parts)])


def _transpose(op, xs, ys):
    (x, order), y = operands(xs, ys, 2, 2)
    activation(x)
    activation(y)
    rank = len(x.shape)
    order = ints(order, rank)
    if sorted(order) != list(range(rank)) or y.shape != tuple([x.shape[i] for i in order]):
        raise ModelError("TRANSPOSE from %s to %s by %s" % (x.shape, y.shape, order))
    far = strides(x.shape)
    return _move([(x, 0, y, 0, [(n, far[i], to) for n, i, to in zip(y.shape, order, strides(y.shape))])])


def _strided_slice(op, xs, ys):
    (x, *corners), y = operands(xs, ys, 4, 4)
    activation(x)
    activation(y)
    rank = len(x.shape)
    begins, ends, steps = [ints(t, rank) for t in corners]
    begin_mask, end_mask, ellipsis, new, shrink, offset = op.options
    if ellipsis or new or offset:
        raise Unsupported("a STRIDED_SLICE with an ellipsis, a new axis or an offset")
    far = strides(x.shape)
    start = 0
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
        start += first * far[i]
        dims.append((n, by * far[i]))
    if y.shape != tuple(shape):
        raise ModelError("STRIDED_SLICE yields %s, not %s" % (shape, y.shape))
    near = strides([n for n, _ in dims])
    return _move([(x, start, y, 0, [(n, by, to) for (n, by), to in zip(dims, near)])])


def _pad(op, xs, ys):
    (x, pads, value), y = operands(xs, ys, 2 if op.code == PAD else 3, 3)
    activation(x)
    zero = activation(y)
    rank = len(x.shape)
    by = ints(pads, 2 * rank)
    if min(by) < 0 or y.shape != tuple([x.shape[i] + by[2 * i] + by[2 * i + 1] for i in range(rank)]):
        raise ModelError("PAD from %s to %s by %s" % (x.shape, y.shape, by))
    if value is not None:
        constant(value, INT8, 1)
        if value.elements != 1:
            raise ModelError("PADV2 with %d values" % value.elements)
        same_quantisation(value, y)
        zero = value.values[0] ^ 128
    else:
        zero += 128
    near = strides(y.shape)
    first = sum([by[2 * i] * near[i] for i in range(rank)])
    dims = [(n, far, to) for n, far, to in zip(x.shape, strides(x.shape), near)]
    return _move([(x, 0, y, first, dims)], (y, zero))


def _read(op, xs, ys):
    (x,), y = operands(xs, ys, 1, 1)
    activation(y)
    return _move([(x, 0, y, 0, [(y.elements, 1, 1)])])


def _assign(op, xs, ys):
    if len(xs) != 2 or None in xs or ys:
        raise ModelError("a variable is assigned with the wrong operands")
    y, x = xs
    activation(x)
    return _move([(x, 0, y, 0, [(x.elements, 1, 1)])])
