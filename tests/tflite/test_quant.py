"""The fixed-point arithmetic against TensorFlow's own definitions, in doubles and in wide integers."""

import math
import struct
from array import array

from common import raises
from mulligan.core.errors import ModelError
from mulligan.tflite import fixedpoint, quant
from mulligan.tflite.ops import layer, softmax
from tflite.models import Random


def bits(value):
    return struct.unpack("<I", struct.pack("<f", value))[0]


def number(float_bits):
    return struct.unpack("<f", struct.pack("<I", float_bits))[0]


def test_multiplier_golden():
    def q(n, d=1, e=0):
        return quant.multiplier(n, d, e)

    assert q(1) == (1 << 30, 1)
    assert q(1, 2) == (1 << 30, 0)
    assert q(3, 4) == (3 << 29, 0)
    assert q(1, 3) == (1431655765, -1)
    assert q(1, 10) == (1717986918, -3)
    assert q(1, 1, -31) == (1 << 30, -30)
    assert q(1, 1, -32) == (1 << 30, -31)
    assert q(1, 1, -33) == (0, 0)
    # 1 - 2**-33 rounds up to 2**31, which becomes 2**30 with one shift more.
    assert q((1 << 33) - 1, 1, -33) == (1 << 30, 1)
    assert q((1 << 31) - 1) == (0x7FFFFFFF, 31)


def test_multiplier_is_quantize_multiplier():
    # QuantizeMultiplier in doubles, which these ports have.
    random = Random(7)
    for _ in range(300):
        a, b, c = [random.between(100, 140) << 23 | random.below(1 << 23) for _ in range(3)]
        real = number(a) * number(b) / number(c)
        fraction, shift = math.frexp(real)
        q = int(fraction * (1 << 31) + 0.5)
        if q == 1 << 31:
            q >>= 1
            shift += 1
        if shift < -31:
            q = shift = 0
        (am, ae), (bm, be), (cm, ce) = [quant.parts(v) for v in (a, b, c)]
        assert quant.multiplier(am * bm, cm, ae + be - ce) == (q, shift)


def test_product32_rounds_as_a_float_does():
    random = Random(8)
    for _ in range(300):
        a, b = [random.between(100, 140) << 23 | random.below(1 << 23) for _ in range(2)]
        m, e = quant.product32(quant.parts(a), quant.parts(b))
        assert m * 2.0**e == number(bits(number(a) * number(b)))
        assert m >> 23 == 1


def test_scales_that_are_none():
    for value in (0, 1, 0x7FFFFF, 0x80000000, 0xBF800000, 0x7F800000, 0x7FC00000, 0xFFFFFFFF):
        raises(ModelError, quant.parts, value)
    assert quant.parts(0x3F800000) == (1 << 23, -23)
    assert quant.parts(0x00800000) == (1 << 23, -149)
    raises(ModelError, quant.product32, quant.parts(0x00800000), quant.parts(0x00800000))
    raises(ModelError, quant.product32, quant.parts(0x7F000000), quant.parts(0x7F000000))


def reference_requantise(x, q, shift):
    """common.h and gemmlowp, literally: C++ division truncates."""
    x = x << shift if shift > 0 else x
    product = x * q
    product += 1 << 30 if product >= 0 else 1 - (1 << 30)
    high = product // (1 << 31) if product >= 0 else -(-product // (1 << 31))
    right = max(0, -shift)
    half = (1 << right) >> 1
    return (abs(high) + half >> right) * (-1 if high < 0 else 1)


def test_requantise():
    random = Random(9)
    for _ in range(2000):
        shift = random.between(-31, 0)
        x = (random.below(1 << 30) << 2 | random.below(4)) - (1 << 31) >> random.below(30)
        q = (1 << 30) + random.below(1 << 30)
        assert fixedpoint.requantise(x, q, shift) == reference_requantise(x, q, shift)
    for x in range(-70, 70):
        for q in (1 << 30, 0x7FFFFFFF, 3 << 29):
            for shift in (-5, -2, -1, 0, 1, 4):
                assert fixedpoint.requantise(x, q, shift) == reference_requantise(x, q, shift)
    assert fixedpoint.high_mul(-(1 << 31), -(1 << 31)) == 0x7FFFFFFF


def test_wrap():
    assert [fixedpoint.wrap(v) for v in (0, 0x7FFFFFFF, 0x80000000, -0x80000001, 1 << 32)] == [
        0,
        0x7FFFFFFF,
        -0x80000000,
        0x7FFFFFFF,
        0,
    ]


def test_activation_range():
    for zero in (-128, -5, 0, 127):
        for value in (0.0005, 0.0234375, 0.0235, 0.1, 1.0, 4.0, 1e6, 1e30):
            one, six = [min(255, math.floor(number(bits(v / number(bits(value)))) + 0.5)) for v in (1, 6)]
            b = bits(value)
            assert layer.activation_range(0, b, zero) == (-128, 127)
            assert layer.activation_range(1, b, zero) == (zero, 127)
            assert layer.activation_range(3, b, zero) == (zero, min(127, zero + six))
            assert layer.activation_range(2, b, zero) == (max(-128, zero - one), min(127, zero + one))
    raises(ModelError, layer.activation_range, 4, bits(0.1), 0)


def test_exp_table_is_an_exponential():
    for scale in (0.01, 0.1, 0.5, 1.0):
        table = array("i", bytes(4 * 256))
        softmax.table(bits(1.0), bits(scale), table, 0)
        assert table[0] == 0x7FFFFFFF
        for d in range(1, 256):
            assert abs(table[d] / 2147483648 - math.exp(-d * scale)) < 1e-6
            assert table[d] <= table[d - 1]


def test_reciprocal():
    for a in (0, 1, 12345, 1 << 20, 1 << 30, 0x7FFFFFFF):
        assert abs(fixedpoint.reciprocal(a) / 2147483648 * (1 + a / 2147483648) - 1) < 1e-8
