"""Small models for every operator, made from seeds: the same bytes and inputs on each machine and Python.

`cases` names them all. Their outputs by TFLite-Micro's reference kernels are in data/zoo.npz (make_zoo.py).
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from host import zoo_layers as layers
from host import zoo_memory

GOLDEN = Path(__file__).parent / "data" / "zoo.npz"


def cases() -> Iterator[tuple[str, layers.Case]]:
    """(name, case) of each model."""
    for name, make in _makers():
        seed = int.from_bytes(name.encode(), "big") % (2**32 - 5)
        yield name, make(np.random.RandomState(seed))


def _makers() -> Iterator[tuple[str, layers.Maker]]:
    acts = list(layers.ACTIVATIONS)
    convs = product(
        ((5, 6, 3), (9, 4, 8)), ((1, 1), (3, 3), (2, 5)), ((1, 1), (2, 2), (2, 1)), (layers.SAME, layers.VALID), (False, True)
    )
    for i, ((h, w, c), window, stride, padding, each) in enumerate(convs):
        if padding == layers.VALID and window[1] > w:
            continue
        yield (
            f"conv-{i}",
            layers.conv((1 + i % 2, h, w, c), 3 + i % 6, window, stride, padding, (1, 1), acts[i % 4], each, i % 9 > 0),
        )
    for i, (dilation, padding, each) in enumerate(product(((2, 2), (3, 1), (1, 2)), (layers.SAME, layers.VALID), (False, True))):
        yield f"conv-dilated-{i}", layers.conv((1, 9, 8, 4), 5, (3, 3), (1, 1), padding, dilation, acts[i % 4], each)
    for i, (groups, padding, each) in enumerate(product((2, 4), (layers.SAME, layers.VALID), (False, True))):
        yield f"conv-grouped-{i}", layers.conv((1, 6, 5, 8), 8, (3, 2), (1, 1), padding, (1, 1), acts[i % 4], each, groups=groups)
    depths = product(((7, 6, 4), (8, 9, 3)), (1, 3), ((3, 3), (5, 2)), (1, 2), (layers.SAME, layers.VALID), (False, True))
    for i, ((h, w, c), m, window, step, padding, each) in enumerate(depths):
        yield f"depthwise-{i}", layers.depthwise((1 + i % 2, h, w, c), m, window, step, padding, (1, 1), acts[i % 4], each)
    for i, (dilation, padding, m) in enumerate(product(((2, 2), (1, 3)), (layers.SAME, layers.VALID), (1, 2))):
        yield f"depthwise-dilated-{i}", layers.depthwise((1, 9, 10, 4), m, (3, 3), 1, padding, dilation, acts[i % 4], i % 2 > 0)
    for i, (size, units, each) in enumerate(product(((1, 7), (3, 33), (2, 2, 40), (1, 1300)), (1, 11), (False, True))):
        yield f"dense-{i}", layers.dense(size, units, acts[i % 4], each, i % 3 > 0, keep=i % 2 > 0)
    for i, (k, units, each) in enumerate(product((9, 40, 130), (64, 71), (False, True))):
        yield f"dense-apart-{i}", layers.dense((1, k), units, acts[i % 4], each)
    pools = product(("AVERAGE_POOL_2D", "MAX_POOL_2D"), ((2, 2), (3, 2)), ((2, 2), (1, 2)), (layers.SAME, layers.VALID))
    for i, (kind, window, stride, padding) in enumerate(pools):
        yield f"pool-{i}", layers.pool(kind, (1 + i % 2, 7, 6, 1 + i % 5), window, stride, padding, acts[i % 4])
    for i, (size, scale) in enumerate(product(((1, 10), (3, 5), (2, 2, 300)), (0.03125, 0.25, 1.5))):
        yield f"softmax-{i}", layers.softmax(size, scale, 1.0 if i % 2 else 0.5)
    shapes = [
        ((2, 3, 4, 5), (2, 3, 4, 5)),
        ((1, 4, 4, 6), (6,)),
        ((3, 1, 5), (1, 4, 1)),
        ((1,), (2, 50)),
        ((1, 5, 1, 3), (1, 5, 6, 1)),
        ((700,), (1,)),
        ((2, 1, 2, 1, 3), (1, 3, 1, 2, 3)),
    ]
    for kind in ("ADD", "SUB", "MUL"):
        for i, (a, b) in enumerate(shapes):
            yield f"{kind.lower()}-{i}", layers.binary(kind, a, b, acts[i % 4])
            if i < 4:
                yield f"{kind.lower()}-constant-{i}", layers.binary(kind, a, b, acts[i % 4], constant="ba"[i % 2])
        yield f"{kind.lower()}-twice", layers.binary(kind, (5, 5), (5, 5), "none", twice=True)
    means = [
        ((1, 5, 4, 7), (1, 2)),
        ((2, 6, 3), (-1,)),
        ((3, 4, 5), (0, 2)),
        ((1, 7, 9, 3), (2, 1)),
        ((4, 6), (0, 1)),
        ((5, 3), (1,)),
    ]
    for i, ((size, axes), keep) in enumerate(product(means, (False, True))):
        yield f"mean-{i}", layers.mean(size, axes, keep, same=i % 3 == 0)
    pads = [((1, 4, 5, 3), [(0, 0), (1, 2), (3, 0), (0, 0)]), ((3, 4), [(2, 1), (0, 3)]), ((2, 3, 2), [(1, 0), (0, 0), (2, 2)])]
    for i, ((size, by), value) in enumerate(product(pads, (None, -128, 55))):
        yield f"pad-{i}", layers.pad(size, by, value)
    for i, scale in enumerate((0.002, 0.02, 0.0625, 0.13, 0.5)):
        yield f"logistic-{i}", layers.unary("LOGISTIC", (2, 64), layers.exact(scale), 1 / 256, -128, None)
        yield f"tanh-{i}", layers.unary("TANH", (2, 64), layers.exact(scale), 1 / 128, 0, None)
        yield f"relu-{i}", layers.unary("RELU", (2, 64), layers.exact(scale), None if i == 1 else 0.0625, None, None)
        yield f"relu6-{i}", layers.unary("RELU6", (2, 64), layers.exact(scale), None, None, None)
        yield (
            f"leaky-{i}",
            layers.unary(
                "LEAKY_RELU",
                (2, 64),
                layers.exact(scale),
                0.0703125,
                None,
                "LeakyReluOptions",
                Alpha=(0.1, 0.3, 0.01, 1.5, 0.5)[i],
            ),
        )
        yield (
            f"quantize-{i}",
            layers.unary("QUANTIZE", (2, 64), layers.exact(scale), (0.002, 0.0703125)[i % 2], None, "QuantizeOptions"),
        )
    for i, (scale, out) in enumerate(((0.02, 0.02), (0.0625, 0.03125), (0.1, 0.12), (0.005, 0.01))):
        yield (
            f"hard-swish-{i}",
            layers.unary("HARD_SWISH", (2, 64), layers.exact(scale), layers.exact(out), None, "HardSwishOptions"),
        )
    for i, scale in enumerate((0.0234375, 0.1, 1.0)):
        yield f"ends-float32-{i}", layers.ends(np.float32, i > 0, layers.exact(scale))
        yield f"ends-uint8-{i}", layers.ends(np.uint8, i > 0, layers.exact(scale))
    yield "concat-0", layers.concat([(1, 2, 3), (1, 4, 3)], 1)
    yield "concat-1", layers.concat([(2, 3, 4), (2, 3, 1), (2, 3, 9)], -1)
    yield "concat-2", layers.concat([(1, 5), (3, 5), (2, 5)], 0)
    yield "concat-3", layers.concat([(1, 2, 2, 3)] * 10, 3)
    yield "concat-constant", layers.concat([(1, 3, 4), (1, 2, 4), (1, 1, 4)], 1, constant=1)
    yield "slice-0", layers.strided_slice((1, 6, 5, 4), (0, 1, 0, 0), (1, 5, 5, 4), (1, 1, 1, 1))
    yield "slice-1", layers.strided_slice((1, 6, 5, 4), (0, -4, 4, 0), (1, -1, 0, 3), (1, 2, -1, 2), 0, 0)
    yield "slice-2", layers.strided_slice((7, 9), (1, 2), (0, 0), (2, 3), 0b01, 0b11)
    yield "slice-3", layers.strided_slice((4, 5, 6), (2, 1, -1), (3, 4, 2), (1, 1, -2), shrink=0b001)
    yield "slice-4", layers.strided_slice((20,), (99,), (-99,), (-3,))
    yield "slice-5", layers.strided_slice((3, 4), (-1, 0), (0, 2), (1, 1), shrink=0b01)
    yield "split-0", layers.split((1, 6, 4), 1, (2, 2, 2), False)
    yield "split-1", layers.split((3, 8), -1, (4, 4), False)
    yield "split-2", layers.split((4, 2, 3), 0, (1, 1, 1, 1), False)
    yield "split-v-0", layers.split((1, 9, 4), 1, (2, 6, 1), True)
    yield "split-v-1", layers.split((2, 3, 10), -1, (3, 7), True)
    orders = [((3, 4), (1, 0)), ((2, 3, 4), (2, 0, 1)), ((2, 3, 4, 5), (0, 3, 1, 2)), ((2, 3, 4, 5), (3, 2, 1, 0))]
    orders += [((1, 6, 5, 2), (0, 2, 1, 3)), ((2, 3, 2, 2, 3), (4, 2, 0, 1, 3))]
    for i, (size, order) in enumerate(orders):
        yield f"transpose-{i}", layers.transpose(size, order)
    yield from zoo_memory.makers()
