"""The table of sigmoid(i / 24), i from 0 to 255, in steps of 2**-16, that TFLite's 16-bit logistic and tanh interpolate in.

Source: sigmoid_table_uint16 in tensorflow/lite/kernels/internal/common.h. Its items are rounded, but 44 are one higher.
"""

_ONE = 1 << 62
_STEP = 4423480608373169254  # exp(-1 / 24) * 2**62
# Bit 255 - i: item i is one higher than rounding makes it.
_HIGHER = 0x88BDE5F75DE6203A00022040900880001000000000000000000000000000001


def table():
    """The 256 items."""
    found = []
    e = _ONE
    for i in range(256):
        found.append(((_ONE << 17) // (_ONE + e) + 1 >> 1) + (_HIGHER >> 255 - i & 1))
        e = e * _STEP >> 62
    return found
