"""The full check of a comb table, made once when a key is taken in: every point is the sum that it stands for."""

from .errors import FormatError
from .p256_comb import POINT, spacing
from .p256_curve import G, P, inverse, on_curve, scaled
from .p256_field import run
from .p256_programs import GO_BACK, IS_POINT, KEEP
from .p256_sum import Sum


def check(table, x, y):
    """Raises: FormatError unless ``table`` (a p256_comb.Table) is exactly that of the key (x, y)."""
    half = 1 << table.width - 1
    if not (_is_comb(table, 0, G[0], G[1]) and _is_comb(table, half, x, y)):
        raise FormatError("comb table: not that of this key, or damaged")


def _is_comb(table, first, x, y):
    """Whether the points from ``first`` are the comb of (x, y), by additions only.

    For each i < w-1, a point whose lowest bit is i is the one without that bit, plus 2·B[i]. The last point is 2·B[w-1] less
    point 0. Together that leaves one value for point 0, as the order is odd.
    """
    buffer, at = table.at(first)
    factor = inverse(1 << 260, P)
    numbers = [int.from_bytes(buffer[i : i + 32], "big") * factor % P for i in (at, at + POINT // 2)]
    half = 1 << table.width - 1
    multiple = Sum()
    multiple.add(scaled(x, y), 0)
    sound = on_curve(numbers[0], numbers[1])
    for i in range(table.width - 1):
        multiple.double()  # 2·B[i]
        run(multiple.registers, KEEP, 0, b"")
        for j in range(1 << i, half, 2 << i):
            multiple.add(*table.at(first + j - (1 << i)))
            sound = sound and _is_point(multiple, *table.at(first + j))
            run(multiple.registers, GO_BACK, 0, b"")
            multiple.infinite = False
        for _ in range(spacing(table.width) - 1):
            multiple.double()
    multiple.double()
    points, at = table.at(first)
    multiple.add(points, at, True)
    return sound and _is_point(multiple, *table.at(first + half - 1))


def _is_point(total, points, at):
    return not total.infinite and run(total.registers, IS_POINT, at, points)
