"""`mulligan.tflite.kernels.slide` in NumPy."""

import numpy as np

from mulligan_host.models.kernels.arithmetic import Parameters, bytes_of, finish


def slide(arena: bytearray, weights: memoryview, at: int, p: Parameters) -> None:
    count = p[2]
    xo, yo, pixels = p[11:14]
    h, w, c, kh, kw, sh, sw, pt, pl, oh, ow, pad = p[16:28]
    dh, dw, depth, share, cstep, tstep = p[28:34]
    channels = len(weights) // (kh * kw * depth)
    first = at // (kh * kw * depth)
    images = pixels // (oh * ow)
    bottom, right = (oh - 1) * sh + (kh - 1) * dh + 1, (ow - 1) * sw + (kw - 1) * dw + 1
    x = np.full((images, max(bottom, pt + h), max(right, pl + w), c), pad, np.int64)
    x[:, pt : pt + h, pl : pl + w] = bytes_of(arena, xo, (images, h, w, c))
    inside = (np.arange(first, first + channels) // share * depth)[:, None] + np.arange(depth)
    at_weight = cstep * np.arange(channels)[:, None] + np.arange(depth)
    taps = np.frombuffer(weights, np.int8).astype(np.int64)
    acc = np.zeros((images, oh, ow, channels), np.int64)
    for t in range(kh * kw):
        y0, x0 = t // kw * dh, t % kw * dw
        seen = x[:, y0 : y0 + (oh - 1) * sh + 1 : sh, x0 : x0 + (ow - 1) * sw + 1 : sw]
        acc += (seen[..., inside] * taps[at_weight + t * tstep]).sum(axis=-1)
    y = bytes_of(arena, yo, (images, oh, ow, count))
    y[..., first : first + channels] = finish(acc, first, p)
