"""gemmlowp's fixed-point numbers, in exact integers: what the reference kernels do with 32-bit ones.

Sources: gemmlowp's fixedpoint.h, tensorflow/lite/kernels/internal/common.h (double rounding).
"""

_MAX = 0x7FFFFFFF
_MIN = -0x80000000


def wrap(v):
    """``v`` modulo 2**32, as a signed 32-bit number."""
    return ((v + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def high_mul(a, b):
    """SaturatingRoundingDoublingHighMul."""
    if a == b == _MIN:
        return _MAX
    v = a * b
    return v + 0x40000000 >> 31 if v >= 0 else -(0x3FFFFFFF - v >> 31)


def round_shift(x, e):
    """RoundingDivideByPOT: x / 2**e, halves away from zero."""
    mask = (1 << e) - 1
    return (x >> e) + ((x & mask) > (mask >> 1) + (x < 0))


def requantise(x, q, shift):
    """MultiplyByQuantizedMultiplier: an int32 times a `multiplier`, rounded twice."""
    if shift > 0:
        return high_mul(wrap(x << shift), q)
    return round_shift(high_mul(x, q), -shift)


def exp(a, bits=5):
    """exp_on_negative_values of a number with ``bits`` (5 at most) bits before the point and 31 in all, in Q0.31."""
    if a == 0:
        return _MAX
    quarter = 1 << 29 - bits
    rest = (a & quarter - 1) - quarter
    x = (rest << bits) + (1 << 28)
    x2 = high_mul(x, x)
    t = round_shift(high_mul(round_shift(high_mul(x2, x2), 2) + high_mul(x2, x), 715827883) + x2, 1)
    r = 1895147668 + high_mul(1895147668, x + t)
    left = rest - a
    bit = quarter
    for k in (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242):
        if left & bit:
            r = high_mul(r, k)
        bit <<= 1
    return r


def reciprocal(a):
    """one_over_one_plus_x_for_x_in_0_1: 1 / (1 + a), a and the result in Q0.31."""
    return min(_MAX, newton(a) << 1)


def newton(a):
    """2 / (1 + a), a in Q0.31 and the result in Q2.29, by Newton's method."""
    half = (a >> 1) + 0x40000000
    x = 1515870810 + high_mul(half, -1010580540)
    for _ in range(3):
        x += high_mul(x, (1 << 29) - high_mul(half, x)) << 2
    return x
