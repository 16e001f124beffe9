"""What `mulligan.tflite.fixedpoint` does with a number, done with arrays of int64; and views of the arena."""

from array import array
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Parameters: TypeAlias = "array[int]"
"""A layer's parameters, as the plain kernel's docstring lists them."""


def bytes_of(arena: bytearray, at: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return a view of the arena from ``at`` on."""
    return np.frombuffer(arena, np.uint8, int(np.prod(shape)), at).reshape(shape)


def wrap(v: Integers) -> Integers:
    """Return ``v`` modulo 2**32, as signed 32-bit numbers."""
    return ((v + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def high_mul(a: Integers, b: Integers | int) -> Integers:
    """SaturatingRoundingDoublingHighMul of 32-bit numbers, not both the lowest."""
    v = a * b
    return np.where(v >= 0, v + 0x40000000 >> 31, -(0x3FFFFFFF - v >> 31))


def round_shift(x: Integers, e: Integers | int) -> Integers:
    """RoundingDivideByPOT: x / 2**e, halves away from zero."""
    mask = (np.int64(1) << e) - 1
    return (x >> e) + ((x & mask) > (mask >> 1) + (x < 0))


def requantise(x: Integers, q: Integers, shift: Integers) -> Integers:
    """MultiplyByQuantizedMultiplier: int32s times a multiplier and shift each, rounded twice."""
    left = np.maximum(shift, 0)
    return round_shift(high_mul(wrap(x << left), q), left - shift)


def finish(acc: Integers, first: int, p: Parameters) -> NDArray[np.uint8]:
    """Return the output bytes for accumulators whose last dimension is channels from ``first`` on."""
    tables, each, count, zero, low, high = p[:6]
    apart = each > 1
    each &= 1
    words = np.frombuffer(p, np.int32)
    n = count if each else 1
    channels = slice(first, first + acc.shape[-1]) if each else slice(0, 1)
    bias = 0 if apart else words[tables + first : tables + first + acc.shape[-1]]
    scale = words[tables if apart else tables + count :]
    shifts = scale[n:].view(np.uint8)[channels].astype(np.int64) - 31
    v = requantise(wrap(acc + bias), scale[channels].astype(np.int64), shifts)
    return (zero + np.clip(v, low, high)).astype(np.uint8)


def windows(x: NDArray[np.uint8], window: tuple[int, ...], pad: int) -> NDArray[np.uint8]:
    """Return what each output pixel looks at: a view (image, oh, ow, channel, kh, kw) of images (image, h, w, channel).

    ``window`` is KH, KW, SH, SW, PT, PL, OH, OW of a kernel's parameters; what lies outside of the input is ``pad``.
    """
    kh, kw, sh, sw, pt, pl, oh, ow = window
    images, h, w, c = x.shape
    bottom, right = (oh - 1) * sh + kh, (ow - 1) * sw + kw  # of the last window, from the first one's top left corner
    inside = np.full((images, max(bottom, pt + h), max(right, pl + w), c), pad, np.uint8)
    inside[:, pt : pt + h, pl : pl + w] = x
    views = np.lib.stride_tricks.sliding_window_view(inside[:, :bottom, :right], (kh, kw), (1, 2))
    return views[:, ::sh, ::sw]


def scaled(v: Integers, p: Parameters, at: int) -> Integers:
    """Return what `mulligan.tflite.kernels.rescale` makes of words, by the eight parameters from ``at`` on."""
    bias, q, s, zero, low, high = p[at + 2 : at + 8]
    result: Integers = zero + np.clip(requantise(wrap(v + bias), np.array(q), np.array(s)), low, high)
    return result


def places(start: int, dims: Sequence[tuple[int, int]]) -> NDArray[np.intp]:
    """Return the offsets of every element of a box from ``start`` on, in order; ``dims``: (count, step), the outermost first."""
    found = np.array([start])
    for n, step in dims:
        found = (found[:, None] + step * np.arange(n)).reshape(-1)
    return found
