"""Two models of the same weights in other scales, channel by channel: what calibrating anew leaves."""

from collections.abc import Sequence

import numpy as np

from host import modelbuild


def pair(channels: int) -> tuple[bytes, bytes]:
    """Of a convolution's weights and a depthwise one's, and the biases of either: ``channels`` channels each."""
    chance = np.random.default_rng(channels)
    shapes: list[tuple[Sequence[int], int]] = [((channels, 40), 0), ((1, 3, 3, channels), 3)]
    weights = [np.clip(chance.normal(0, 0.3, shape), -0.7, 0.7) for shape, _ in shapes]
    biases = [chance.normal(0, 1, channels) for _ in shapes]
    files = []
    for _ in range(2):
        graph = modelbuild.Subgraph()
        for (shape, axis), weight, bias in zip(shapes, weights, biases, strict=True):
            scales = chance.uniform(0.006, 0.008, channels).astype(np.float32)
            along = scales.reshape([-1 if k == axis else 1 for k in range(len(shape))])
            graph.constant(np.round(np.clip(weight / along, -127, 127)).astype(np.int8), scales.tolist(), axis=axis)
            graph.constant(np.round(bias / (scales * 0.02)).astype(np.int32), (scales * np.float32(0.02)).tolist())
        files.append(modelbuild.build(graph))
    return files[0], files[1]
