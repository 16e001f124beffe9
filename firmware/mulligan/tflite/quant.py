"""TFLite's scales: what the numbers in a model's file come to as multipliers and ranges, computed with exact integers.

An ESP32's float has 32 bits, so doubles are not an option: each real number here is a pair ``(m, e)`` that stands for m * 2**e.
Rounding happens exactly where the C++ rounds (to float32, to double, to 31 bits), so that the results are the same bytes.

Sources: tensorflow/lite/kernels/internal/quantization_util.cc and kernels/kernel_util.cc.
"""

from ..core.model_errors import ModelError


def parts(bits):
    """(m, e) of the float32 with these bits, m of 24 bits. Raises: ModelError unless normal and above 0."""
    e = bits >> 23
    if not 1 <= e <= 254:
        raise ModelError("scale 0x%08x is not a normal positive float32" % bits)
    return bits & 0x7FFFFF | 0x800000, e - 150


def rounded(n, d, bits):
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
    m, e = rounded(a[0] * b[0], 1, 24)
    e += a[1] + b[1]
    if not -149 <= e <= 104:
        raise ModelError("the product of two scales is not a normal float32")
    return m, e


def multiplier(n, d, e):
    """QuantizeMultiplier(double(n / d) * 2**e): (q, shift), the real number being about q * 2**(shift - 31), q below 2**31."""
    q, x = rounded(n, d, 53)
    shift = x + e + 53
    q = q + (1 << 21) >> 22
    if q >> 31:
        q >>= 1
        shift += 1
    return (q, shift) if shift >= -31 else (0, 0)
