"""`mulligan.tflite.kernels.dots` in NumPy."""

import numpy as np

from mulligan_host.models.kernels.arithmetic import Parameters, wrap


def dots(arena: bytearray, weights: memoryview, at: int, p: Parameters) -> None:
    table, x, k, acc = p[:4]
    rows, cols = np.divmod(np.arange(at, at + len(weights)), k)
    first, last = int(rows[0]), int(rows[-1]) + 1
    products = np.frombuffer(arena, np.uint8)[x + cols].astype(np.int64) * np.frombuffer(weights, np.int8)
    sums = np.zeros(last - first, np.int64)
    np.add.at(sums, rows - first, products)
    kept = np.frombuffer(arena, np.int32, last - first, acc + 4 * first)
    begin = np.frombuffer(p, np.int32)[table + first : table + last].astype(np.int64)
    if cols[0]:
        begin[0] = kept[0]
    kept[:] = wrap(begin + sums)
