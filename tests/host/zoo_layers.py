"""What the models of the zoo are made with: one function for each kind of layer."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from host.modelbuild import Subgraph, build

INPUTS = 6
STEPS = 10  # inputs of a case with a memory
ACTIVATIONS = {"none": 0, "relu": 1, "n1": 2, "relu6": 3}
SAME, VALID = 0, 1

Shape = Sequence[int]
Random = np.random.RandomState
Maker = Callable[[Random], "Case"]


@dataclass
class Case:
    """``inputs``: ``count`` of them back to back, a model's in their order; with ``memory`` they are one sequence."""

    model: bytes
    inputs: bytes
    count: int
    memory: bool = False


def draw_scale(rs: Random, low: float = 0.004, high: float = 0.25) -> float:
    """A scale of 11 bits, so that it is the same float32 everywhere."""
    bits = int(rs.randint(int(10 - math.log2(high)), int(11 - math.log2(low))))
    return math.ldexp(int(rs.randint(1024, 2048)), -bits)


def exact(scale: float) -> float:
    """The nearest scale of 11 bits."""
    mantissa, exponent = math.frexp(scale)
    return math.ldexp(round(mantissa * 2048), exponent - 11)


def draw_zero(rs: Random) -> int:
    return int(rs.choice([-128, int(rs.randint(-128, 128)), int(rs.randint(-20, 20)), 127]))


def draw(rs: Random, *shape: int) -> np.ndarray:
    return rs.randint(-128, 128, shape).astype(np.int8)


def draw_weights(rs: Random, *shape: int) -> np.ndarray:
    return rs.randint(-127, 128, shape).astype(np.int8)


def feed(rs: Random, shapes: Sequence[Shape], count: int = INPUTS) -> bytes:
    """Inputs: the lowest values, the highest, both in turn, and then random ones."""
    out = []
    for i in range(count):
        for shape in shapes:
            n = math.prod(shape)
            x = draw(rs, n)
            if i == 0:
                x[:] = -128
            elif i == 1:
                x[:] = 127
            elif i == 2:
                x = rs.choice([-128, 127], n).astype(np.int8)
            out.append(x.tobytes())
    return b"".join(out)


def finish(rs: Random, g: Subgraph, x: Sequence[int], y: Sequence[int], *more: Subgraph, memory: bool = False) -> Case:
    g.inputs, g.outputs = x, y
    count = STEPS if memory else INPUTS
    return Case(build(g, *more), feed(rs, [g.tensors[i].shape for i in x], count), count, memory)


def _sides(size: int, window: int, stride: int, dilation: int, padding: int) -> int:
    window = (window - 1) * dilation + 1
    return -(-size // stride) if padding == SAME else (size - window) // stride + 1


def _convolution(
    rs: Random,
    g: Subgraph,
    x: int,
    w: np.ndarray,
    out: Shape,
    axis: int,
    k: int,
    *,
    each: bool,
    bias: bool,
    sx: float,
) -> tuple[list[int], int]:
    """(operands, output) of a layer whose outputs are sums of ``k`` products: its range about covers them."""
    count = w.shape[axis]
    scales = [draw_scale(rs, 0.002, 0.02) for _ in range(count if each else 1)]
    operands = [x, g.constant(w, scales, axis=axis)]
    if bias:
        reach = 6000 * math.isqrt(k)
        values = np.array(rs.randint(-reach, reach, count), np.int32)
        operands.append(g.constant(values, [exact(sx * s) for s in scales]))
    y = g.activation(out, exact(sx * max(scales) * math.sqrt(k) * 74 * 74 / 60), draw_zero(rs))
    return operands, y


def conv(
    size: Shape,
    count: int,
    window: Shape,
    stride: Shape,
    padding: int,
    dilation: Shape,
    act: str,
    each: bool,
    bias: bool = True,
    groups: int = 1,
) -> Maker:
    def make(rs: Random) -> Case:
        n, h, wide, c = size
        g = Subgraph()
        sx = draw_scale(rs)
        x = g.activation(size, sx, draw_zero(rs))
        w = draw_weights(rs, count, *window, c // groups)
        oh, ow = (_sides(s, k, t, d, padding) for s, k, t, d in zip((h, wide), window, stride, dilation, strict=True))
        operands, y = _convolution(rs, g, x, w, (n, oh, ow, count), 0, w[0].size, each=each, bias=bias, sx=sx)
        g.op("CONV_2D", operands, [y], "Conv2DOptions", Padding=padding, StrideH=stride[0], StrideW=stride[1],
             DilationHFactor=dilation[0], DilationWFactor=dilation[1], FusedActivationFunction=ACTIVATIONS[act])  # fmt: skip
        return finish(rs, g, [x], [y])

    return make


def depthwise(size: Shape, m: int, window: Shape, stride: int, padding: int, dilation: Shape, act: str, each: bool) -> Maker:
    def make(rs: Random) -> Case:
        n, h, wide, c = size
        g = Subgraph()
        sx = draw_scale(rs)
        x = g.activation(size, sx, draw_zero(rs))
        w = draw_weights(rs, 1, *window, c * m)
        oh, ow = (_sides(s, k, stride, d, padding) for s, k, d in zip((h, wide), window, dilation, strict=True))
        operands, y = _convolution(rs, g, x, w, (n, oh, ow, c * m), 3, window[0] * window[1], each=each, bias=True, sx=sx)
        g.op("DEPTHWISE_CONV_2D", operands, [y], "DepthwiseConv2DOptions", Padding=padding, StrideH=stride, StrideW=stride,
             DepthMultiplier=m, DilationHFactor=dilation[0], DilationWFactor=dilation[1],
             FusedActivationFunction=ACTIVATIONS[act])  # fmt: skip
        return finish(rs, g, [x], [y])

    return make


def dense(size: Shape, units: int, act: str, each: bool, bias: bool = True, keep: bool = False) -> Maker:
    def make(rs: Random) -> Case:
        k = size[-1]
        g = Subgraph()
        sx = draw_scale(rs)
        x = g.activation(size, sx, draw_zero(rs))
        out = (*size[:-1], units) if keep else (math.prod(size) // k, units)
        operands, y = _convolution(rs, g, x, draw_weights(rs, units, k), out, 0, k, each=each, bias=bias, sx=sx)
        g.op(
            "FULLY_CONNECTED", operands, [y], "FullyConnectedOptions", FusedActivationFunction=ACTIVATIONS[act], KeepNumDims=keep
        )
        return finish(rs, g, [x], [y])

    return make


def pool(kind: str, size: Shape, window: Shape, stride: Shape, padding: int, act: str) -> Maker:
    def make(rs: Random) -> Case:
        n, h, w, c = size
        g = Subgraph()
        scale, zero = draw_scale(rs), draw_zero(rs)
        x = g.activation(size, scale, zero)
        oh, ow = (_sides(s, k, t, 1, padding) for s, k, t in zip((h, w), window, stride, strict=True))
        y = g.activation((n, oh, ow, c), scale, zero)
        g.op(kind, [x], [y], "Pool2DOptions", Padding=padding, StrideH=stride[0], StrideW=stride[1], FilterHeight=window[0],
             FilterWidth=window[1], FusedActivationFunction=ACTIVATIONS[act])  # fmt: skip
        return finish(rs, g, [x], [y])

    return make


def softmax(size: Shape, scale: float, beta: float = 1.0) -> Maker:
    def make(rs: Random) -> Case:
        g = Subgraph()
        x, y = g.activation(size, scale, draw_zero(rs)), g.activation(size, 1 / 256, -128)
        g.op("SOFTMAX", [x], [y], "SoftmaxOptions", Beta=beta)
        return finish(rs, g, [x], [y])

    return make


def binary(kind: str, a: Shape, b: Shape, act: str, constant: str = "", twice: bool = False) -> Maker:
    """``constant`` names the operand that is one; ``twice``: both are the same tensor."""

    def make(rs: Random) -> Case:
        g = Subgraph()
        scales = draw_scale(rs), draw_scale(rs)
        operands = []
        for side, shape, scale in zip("ab", (a, b), scales, strict=True):
            if side == constant:
                operands.append(g.constant(draw(rs, *shape), scale, draw_zero(rs)))
            else:
                operands.append(g.activation(shape, scale, draw_zero(rs)))
        if twice:
            operands[1] = operands[0]
        reach = 128 * scales[0] * scales[1] / 2 if kind == "MUL" else max(scales)
        y = g.activation(np.broadcast_shapes(tuple(a), tuple(b)), exact(reach * (0.4 + rs.randint(100) / 50)), draw_zero(rs))
        g.op(kind, operands, [y], kind.capitalize() + "Options", FusedActivationFunction=ACTIVATIONS[act])
        live = [t for side, t in zip("ab", operands, strict=True) if side != constant]
        return finish(rs, g, live[: 1 if twice else 2], [y])

    return make


def mean(size: Shape, axes: Sequence[int], keep: bool, same: bool = False) -> Maker:
    def make(rs: Random) -> Case:
        g = Subgraph()
        scale, zero = draw_scale(rs), draw_zero(rs)
        x = g.activation(size, scale, zero)
        gone = {a % len(size) for a in axes}
        shape = [1 if i in gone else d for i, d in enumerate(size) if keep or i not in gone]
        y = g.activation(shape, scale if same else exact(scale * (0.2 + rs.randint(100) / 80)), zero if same else draw_zero(rs))
        g.op("MEAN", [x, g.constant(np.array(axes, np.int32))], [y], "ReducerOptions", KeepDims=keep)
        return finish(rs, g, [x], [y])

    return make


def pad(size: Shape, pads: Sequence[Shape], value: int | None) -> Maker:
    def make(rs: Random) -> Case:
        g = Subgraph()
        scale, zero = draw_scale(rs), draw_zero(rs)
        x = g.activation(size, scale, zero)
        y = g.activation([d + p + q for d, (p, q) in zip(size, pads, strict=True)], scale, zero)
        operands = [x, g.constant(np.array(pads, np.int32))]
        if value is None:
            g.op("PAD", operands, [y], "PadOptions")
        else:
            g.op("PADV2", [*operands, g.constant(np.array([value], np.int8), scale, zero)], [y], "PadV2Options")
        return finish(rs, g, [x], [y])

    return make


def unary(
    kind: str, size: Shape, scale: float, out: float | None, zero: int | None, table: str | None, **options: float
) -> Maker:
    """int8 to int8; ``out``: the output's scale, None for the input's; ``zero``: its zero point, None for any."""

    def make(rs: Random) -> Case:
        g = Subgraph()
        zx = draw_zero(rs)
        x = g.activation(size, scale, zx)
        y = g.activation(size, scale if out is None else out, (zx if out is None else draw_zero(rs)) if zero is None else zero)
        g.op(kind, [x], [y], table, **options)
        return finish(rs, g, [x], [y])

    return make


def ends(outside: type, around: bool, scale: float) -> Maker:
    """QUANTIZE from another type, a layer, and with ``around`` the way back."""

    def make(rs: Random) -> Case:
        g = Subgraph()
        shape = (1, 70)
        floats = outside is np.float32
        zero = int(rs.randint(-30, 30))
        x = g.activation(shape, dtype=outside) if floats else g.activation(shape, scale, zero + 128, outside)
        a, b = g.activation(shape, scale, zero), g.activation(shape, exact(scale * 0.7), -128)
        g.op("QUANTIZE", [x], [a], "QuantizeOptions")
        g.op("RELU", [a], [b])
        y = b
        if around:
            y = g.activation(shape, dtype=outside) if floats else g.activation(shape, exact(scale * 0.7), 0, outside)
            g.op("DEQUANTIZE" if floats else "QUANTIZE", [b], [y], ("Dequantize" if floats else "Quantize") + "Options")
        g.inputs, g.outputs = [x], [y]
        if not floats:
            return Case(build(g), feed(rs, [shape]), INPUTS)
        values = (rs.randint(-(2**24), 2**24, (INPUTS, 70)) * (scale * 160 / 2**24)).astype(np.float32)
        values[1] = (np.arange(70) - 35) * np.float32(scale) / 2  # halves
        values[2] = np.nextafter(values[1], np.float32(9), dtype=np.float32)
        values[3, ::2] = (values[3, ::2].view(np.int32) & -0x7F000001 | 0x20000000).view(np.float32)
        values[4, :8] = [0.0, -0.0, 1e-40, -1e-40, 2e9 * scale, -2e9 * scale, 1e-30, 1e9 * scale]
        return Case(build(g), values.tobytes(), INPUTS)

    return make


def concat(shapes: Sequence[Shape], axis: int, constant: int | None = None) -> Maker:
    def make(rs: Random) -> Case:
        g = Subgraph()
        scale, zero = draw_scale(rs), draw_zero(rs)
        parts = [
            g.constant(draw(rs, *s), scale, zero) if i == constant else g.activation(s, scale, zero) for i, s in enumerate(shapes)
        ]
        out = list(shapes[0])
        out[axis] = sum(s[axis] for s in shapes)
        y = g.activation(out, scale, zero)
        g.op("CONCATENATION", parts, [y], "ConcatenationOptions", Axis=axis)
        return finish(rs, g, [p for i, p in enumerate(parts) if i != constant], [y])

    return make


def strided_slice(
    size: Shape, begin: Shape, end: Shape, stride: Shape, begin_mask: int = 0, end_mask: int = 0, shrink: int = 0
) -> Maker:
    def make(rs: Random) -> Case:
        g = Subgraph()
        scale, zero = draw_scale(rs), draw_zero(rs)
        x = g.activation(size, scale, zero)
        key: list[slice | int] = []
        for i, (b, e, s) in enumerate(zip(begin, end, stride, strict=True)):
            key.append(b if shrink >> i & 1 else slice(None if begin_mask >> i & 1 else b, None if end_mask >> i & 1 else e, s))
        y = g.activation(np.empty(size)[tuple(key)].shape, scale, zero)
        operands = [x, *(g.constant(np.array(v, np.int32)) for v in (begin, end, stride))]
        g.op("STRIDED_SLICE", operands, [y], "StridedSliceOptions", BeginMask=begin_mask, EndMask=end_mask, ShrinkAxisMask=shrink)
        return finish(rs, g, [x], [y])

    return make


def split(size: Shape, axis: int, parts: Sequence[int], varying: bool) -> Maker:
    def make(rs: Random) -> Case:
        g = Subgraph()
        scale, zero = draw_scale(rs), draw_zero(rs)
        x = g.activation(size, scale, zero)
        a = g.constant(np.array(axis, np.int32))
        shapes = [[n if i == axis % len(size) else d for i, d in enumerate(size)] for n in parts]
        ys = [g.activation(s, scale, zero) for s in shapes]
        if varying:
            g.op("SPLIT_V", [x, g.constant(np.array(parts, np.int32)), a], ys, "SplitVOptions", NumSplits=len(parts))
        else:
            g.op("SPLIT", [a, x], ys, "SplitOptions", NumSplits=len(parts))
        return finish(rs, g, [x], ys)

    return make


def transpose(size: Shape, order: Shape) -> Maker:
    def make(rs: Random) -> Case:
        g = Subgraph()
        scale, zero = draw_scale(rs), draw_zero(rs)
        x, y = g.activation(size, scale, zero), g.activation([size[i] for i in order], scale, zero)
        g.op("TRANSPOSE", [x, g.constant(np.array(order, np.int32))], [y], "TransposeOptions")
        return finish(rs, g, [x], [y])

    return make
