"""`mulligan.tflite.kernels.int8` in NumPy."""

import numpy as np

from mulligan_host.models.kernels.arithmetic import Parameters, bytes_of, finish, wrap


def flip(arena: bytearray, weights: memoryview, at: int, p: Parameters) -> None:
    offset, n = p
    view = bytes_of(arena, offset, (n,))
    view ^= 128


def sums(p: Parameters, weights: memoryview, at: int, q: Parameters) -> None:
    tables, k, count, _ = q
    w = np.frombuffer(weights, np.int8)
    i = np.arange(at, at + len(w))
    np.add.at(np.frombuffer(p, np.int32), tables + (i % count if count else i // k), w)


def fold(p: Parameters, bias: memoryview, at: int, q: Parameters) -> None:
    tables, _, _, zero = q
    n = len(bias) // 4
    totals = np.frombuffer(p, np.int32)[tables + at // 4 : tables + at // 4 + n]
    totals[:] = wrap(np.frombuffer(bias, np.int32, n) - np.int64(zero) * totals.astype(np.int64))


def requantise(arena: bytearray, weights: memoryview, at: int, p: Parameters) -> None:
    count = p[2]
    acc, first, n, m, y = p[6:11]
    words = np.frombuffer(arena, np.int32, n * m, acc).astype(np.int64).reshape(n, m).T
    places = y + count * np.arange(m)[:, None] + np.arange(n)
    np.frombuffer(arena, np.uint8)[places] = finish(words, first, p)
