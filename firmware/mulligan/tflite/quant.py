"""TFLite's fixed-point arithmetic, computed with exact integers.

An ESP32's float has 32 bits, so doubles are not an option: each real number here is a pair ``(m, e)`` that stands for m * 2**e.
Rounding happens exactly where the C++ rounds (to float32, to double, to 31 bits), so that the results are the same bytes.

Sources: tensorflow/lite/kernels/internal/quantization_util.cc and common.h (double rounding), kernel_util.cc, and gemmlowp's
fixedpoint.h.
"""

from array import array

from ..core.errors import ModelError, Unsupported

NONE, RELU, RELU_N1_TO_1, RELU6 = 0, 1, 2, 3

_MAX = 0x7FFFFFFF
_MIN = -0x80000000


def wrap(v):
    """``v`` modulo 2**32, as a signed 32-bit number."""
    return ((v + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def parts(bits):
    """(m, e) of the float32 with these bits, m of 24 bits. Raises: ModelError unless normal and above 0."""
    e = bits >> 23
    if not 1 <= e <= 254:
        raise ModelError("scale 0x%08x is not a normal positive float32" % bits)
    return bits & 0x7FFFFF | 0x800000, e - 150


def _round(n, d, bits):
    """(m, e): n / d rounded half to even to exactly ``bits`` bits; n and d above 0."""
    e = 0
    while n < d << bits + 8:
        n <<= 8
        e -= 8
    q = n // d
    odd = q * d != n
    drop = 0
    while q >> drop + 24 >> bits:
        drop += 24
    while q >> drop >> bits:
        drop += 1
    low = q & ((1 << drop) - 1)
    half = 1 << drop - 1
    q >>= drop
    if low > half or (low == half and (odd or q & 1)):
        q += 1
        if q >> bits:
            q >>= 1
            drop += 1
    return q, e + drop


def product32(a, b):
    """The product of two pairs, rounded to float32."""
    m, e = _round(a[0] * b[0], 1, 24)
    e += a[1] + b[1]
    if not -149 <= e <= 104:
        raise ModelError("the product of two scales is not a normal float32")
    return m, e


def multiplier(n, d, e):
    """QuantizeMultiplier(double(n / d) * 2**e): (q, shift), the real number being about q * 2**(shift - 31), q below 2**31."""
    q, x = _round(n, d, 53)
    shift = x + e + 53
    q = q + (1 << 21) >> 22
    if q >> 31:
        q >>= 1
        shift += 1
    return (q, shift) if shift >= -31 else (0, 0)


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


def activation_range(activation, scale_bits, zero_point):
    """CalculateActivationRangeQuantized for int8: (lowest, highest) output. Raises: Unsupported."""
    if activation == NONE:
        return -128, 127
    if activation == RELU:
        return zero_point, 127
    if activation == RELU6:
        return zero_point, min(127, zero_point + _quantised(6, scale_bits))
    if activation == RELU_N1_TO_1:
        one = _quantised(1, scale_bits)
        return max(-128, zero_point - one), min(127, zero_point + one)
    raise Unsupported("fused activation %d" % activation)


def _quantised(value, scale_bits):
    """round(value / scale), the quotient a float32, halves away from zero; 255 stands for anything above."""
    m, e = parts(scale_bits)
    q, x = _round(value, m, 24)
    x -= e
    if x > -16:
        return 255
    return min(255, q + (1 << -x - 1) >> -x)


def exp_table(beta_bits, scale_bits):
    """Softmax's exponentials: item d is exp(-d * scale * beta) in Q0.31, for d from 0 to 255; 0 where the reference stops."""
    bm, be = parts(beta_bits)
    sm, se = parts(scale_bits)
    # PreprocessSoftmaxScaling: min(beta * scale * 2**26, 2**31 - 1), a double, which holds these 48 bits exactly.
    n = bm * sm
    e = be + se + 26
    if e > 0 or n >> -e >= _MAX:
        q, shift = _MAX, 31
    else:
        q, shift = multiplier(n, 1, e)
    if shift < 0 or not q:
        raise Unsupported("softmax of a scale this small")
    lowest = (31 << 26) >> shift
    table = array("i", bytes(4 * 256))
    for d in range(min(256, lowest + 1)):  # not a list first: its big integers would lie scattered over the heap
        table[d] = _exp(high_mul(-d << shift, q))
    return table


def _exp(a):
    """exp_on_negative_values of a Q5.26 number, in Q0.31."""
    if a == 0:
        return _MAX
    quarter = 1 << 24
    rest = (a & quarter - 1) - quarter
    x = (rest << 5) + (1 << 28)
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
    half = (a >> 1) + 0x40000000
    x = 1515870810 + high_mul(half, -1010580540)
    for _ in range(3):
        x += high_mul(x, (1 << 29) - high_mul(half, x)) << 2
    return min(_MAX, x << 1)
