"""`mulligan.tflite.kernels.gemm` in NumPy. Products are summed by BLAS in float64, which holds every such sum exactly."""

import numpy as np
from numpy.typing import NDArray

from mulligan.tflite.codes import APART, WINDOW
from mulligan_host.models.kernels.arithmetic import Parameters, bytes_of, finish, windows


def gemm(arena: bytearray, weights: memoryview, at: int, p: Parameters) -> None:
    count, yo, k, pixels, scratch = p[2], p[12], p[13], p[14], p[16]
    w = np.frombuffer(weights, np.int8).astype(np.float64)
    x = _patches(arena, p).astype(np.float64)
    bias = np.zeros(count, np.int64)  # where it is in p
    if p[22] == APART:
        x -= p[24]
        bias += np.frombuffer(arena, np.int32, count, p[23])
    y = bytes_of(arena, yo, (pixels, count))
    carry = np.frombuffer(arena, np.int32, pixels if p[17] else 0, scratch)
    channel, begin = divmod(at, k)
    if begin:
        n = min(k - begin, len(w))
        total = carry.astype(np.int64) + (x[:, begin : begin + n] @ w[:n]).astype(np.int64)
        if begin + n < k:
            carry[:] = total
            return
        y[:, channel] = finish(total[:, None] + bias[channel], channel, p)[:, 0]
        channel += 1
        w = w[n:]
    whole = len(w) // k
    if whole:
        acc = (x @ w[: whole * k].reshape(whole, k).T).astype(np.int64)
        y[:, channel : channel + whole] = finish(acc + bias[channel : channel + whole], channel, p)
    if len(w) > whole * k:
        rest = w[whole * k :]
        carry[:] = x[:, : len(rest)] @ rest


def _patches(arena: bytearray, p: Parameters) -> NDArray[np.uint8]:
    """What each output pixel looks at, a row each."""
    xo, k, pixels = p[11], p[13], p[14]
    if p[22] != WINDOW:
        return bytes_of(arena, xo, (pixels, k))
    h, w, c, _, _, _, _, _, _, oh, ow, pad = p[23:35]
    x = bytes_of(arena, xo, (pixels // (oh * ow), h, w, c))
    return windows(x, tuple(p[26:34]), pad).transpose(0, 1, 2, 4, 5, 3).reshape(pixels, k)
