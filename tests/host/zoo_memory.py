"""The models of the zoo that remember: SVDF, LSTM, and the resource variables of streaming models."""

from collections.abc import Iterator

import numpy as np

from host.modelbuild import Subgraph
from host.zoo_layers import VALID, Case, Maker, Random, draw, draw_scale, draw_weights, draw_zero, exact, finish


def _svdf(batch: int, size: int, units: int, rank: int, memory: int, state: type, bias: bool = True) -> Maker:
    def make(rs: Random) -> Case:
        g = Subgraph()
        filters = units * rank
        wide = state is np.int16
        sx, sw, st = draw_scale(rs), draw_scale(rs, 0.002, 0.02), draw_scale(rs, 0.002, 0.02)
        ss = exact(sx * sw * size**0.5 * 74 * 74 / (6000 if wide else 50))
        zs = 0 if wide else int(rs.randint(-5, 5))
        x = g.activation((batch, size), sx, draw_zero(rs))
        time: np.ndarray = rs.randint(-32767 if wide else -127, 32768 if wide else 128, (filters, memory)).astype(state)
        if wide:
            st = exact(st / 256)
        held = g.activation((batch, filters * memory), ss, zs, state, variable=True)
        y = g.activation(
            (batch, units), exact(ss * st * (rank * memory) ** 0.5 * (6000 * 18000 if wide else 50 * 74) / 60), draw_zero(rs)
        )
        operands = [x, g.constant(draw_weights(rs, filters, size), sw), g.constant(time, st)]
        operands.append(g.constant(rs.randint(-9999, 9999, units).astype(np.int32), ss * st))
        g.op("SVDF", [*operands, held], [y], "SVDFOptions", Rank=rank, FusedActivationFunction=1)
        return finish(rs, g, [x], [y], memory=True)

    return make


def _lstm(batch: int, steps: int, size: int, units: int, time_major: bool, clip: float) -> Maker:
    def make(rs: Random) -> Case:
        g = Subgraph()
        sx, sh, zh = draw_scale(rs), 1 / 128, int(rs.choice([0, -7]))
        x = g.activation((steps, batch, size) if time_major else (batch, steps, size), sx, draw_zero(rs))
        inputs = [g.constant(draw_weights(rs, units, size), draw_scale(rs, 0.002, 0.02)) for _ in range(4)]
        recurrent = [g.constant(draw_weights(rs, units, units), draw_scale(rs, 0.004, 0.03)) for _ in range(4)]
        biases = [g.constant(rs.randint(-20000, 20000, units).astype(np.int32), sx * g.tensors[w].scale[0]) for w in inputs]
        hidden = g.activation((batch, units), sh, zh, variable=True)
        cell = g.activation((batch, units), 2.0 ** -int(rs.choice([11, 12, 13])), 0, np.int16, variable=True)
        y = g.activation((steps, batch, units) if time_major else (batch, steps, units), sh, zh)
        none = [-1] * 3
        operands = [x, *inputs, *recurrent, *none, *biases, -1, -1, hidden, cell, -1, *none]
        g.op("UNIDIRECTIONAL_SEQUENCE_LSTM", operands, [y], "UnidirectionalSequenceLSTMOptions", FusedActivationFunction=4,
             CellClip=clip, TimeMajor=time_major)  # fmt: skip
        return finish(rs, g, [x], [y], memory=True)

    return make


def _stream(window: int, initial: bool, branches: bool) -> Maker:
    """What streaming keyword models are made of: the last ``window`` rows are kept in a variable, convolved and sliced."""

    def make(rs: Random) -> Case:
        g, start = Subgraph(), Subgraph()
        scale, zero = draw_scale(rs), -128
        rows, c = 2, 6
        x = g.activation((1, rows, 1, c), scale, zero)
        handle = g.resource()
        if initial:
            g.op("CALL_ONCE", [], [], "CallOnceOptions", InitSubgraphIndex=1)
            h = start.resource()
            start.op("VAR_HANDLE", [], [h], "VarHandleOptions", SharedName="stream/states", Container="")
            first = start.constant(draw(rs, 1, window, 1, c), scale, zero)
            start.op("ASSIGN_VARIABLE", [h, first], [], "AssignVariableOptions")
        g.op("VAR_HANDLE", [], [handle], "VarHandleOptions", SharedName="stream/states", Container="")
        old = g.activation((1, window, 1, c), scale, zero)
        g.op("READ_VARIABLE", [handle], [old], "ReadVariableOptions")
        both = g.activation((1, window + rows, 1, c), scale, zero)
        g.op("CONCATENATION", [old, x], [both], "ConcatenationOptions", Axis=1)
        kept = g.activation((1, window, 1, c), scale, zero)
        corners = [g.constant(np.array(v, np.int32)) for v in ([0, -window, 0, 0], [1, 0, 1, c], [1, 1, 1, 1])]
        g.op("STRIDED_SLICE", [both, *corners], [kept], "StridedSliceOptions", BeginMask=0b1101, EndMask=0b1111)
        g.op("ASSIGN_VARIABLE", [handle, kept], [], "AssignVariableOptions")
        if branches:
            parts = [g.activation((1, window + rows, 1, c // 2), scale, zero) for _ in range(2)]
            axis, sizes = g.constant(np.array(3, np.int32)), g.constant(np.array([3, 3], np.int32))
            g.op("SPLIT_V", [both, sizes, axis], parts, "SplitVOptions", NumSplits=2)
            both = g.activation((1, window + rows, 1, c), scale, zero)
            g.op("CONCATENATION", parts[::-1], [both], "ConcatenationOptions", Axis=-1)
        w = g.constant(draw_weights(rs, 4, window + rows, 1, c), [draw_scale(rs, 0.002, 0.02) for _ in range(4)])
        y = g.activation((1, 1, 1, 4), exact(scale * 0.02 * 74 * 74 / 8), draw_zero(rs))
        bias = g.constant(rs.randint(-2000, 2000, 4).astype(np.int32), [scale * s for s in g.tensors[w].scale])
        g.op("CONV_2D", [both, w, bias], [y], "Conv2DOptions", Padding=VALID, StrideH=1, StrideW=1)
        out = g.activation((1, 1, 1, 4), 1 / 256, -128)
        g.op("LOGISTIC", [y], [out])
        return finish(rs, g, [x], [out], *([start] if initial else []), memory=True)

    return make


def makers() -> Iterator[tuple[str, Maker]]:
    yield "svdf-0", _svdf(1, 8, 6, 1, 5, np.int16)
    yield "svdf-1", _svdf(1, 20, 4, 2, 3, np.int16)
    yield "svdf-2", _svdf(2, 5, 3, 2, 10, np.int16)
    yield "svdf-3", _svdf(1, 300, 16, 1, 8, np.int16)
    yield "svdf-int8-0", _svdf(1, 8, 6, 1, 5, np.int8)
    yield "svdf-int8-1", _svdf(2, 11, 5, 3, 4, np.int8)
    yield "lstm-0", _lstm(1, 5, 7, 6, False, 0.0)
    yield "lstm-1", _lstm(2, 3, 4, 9, False, 10.0)
    yield "lstm-2", _lstm(3, 4, 10, 5, True, 2.0)
    yield "lstm-long", _lstm(1, 2, 90, 30, False, 0.0)
    yield "stream-0", _stream(4, initial=True, branches=False)
    yield "stream-1", _stream(5, initial=True, branches=True)
    yield "stream-2", _stream(3, initial=False, branches=False)
