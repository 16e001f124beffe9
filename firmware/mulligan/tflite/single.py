"""float32 arithmetic in exact integers, beyond what `quant` has: for operators whose reference computes in floats."""

from ..core.model_errors import ModelError, Unsupported
from .fixedpoint import wrap
from .quant import multiplier, rounded


def multiplier32(a, b):
    """`quant.multiplier` of the quotient of two pairs, which is rounded to float32 first. Raises: ModelError, Unsupported."""
    m, e = rounded(a[0], b[0], 24)
    e += a[1] - b[1]
    if not -149 <= e <= 104:
        raise ModelError("the quotient of two scales is not a normal float32")
    q, shift = multiplier(m, 1, e)
    if shift > 30:
        raise Unsupported("a multiplier of 2**%d" % shift)
    return q, shift


def float32(v, scale):
    """The bits of an integer times a pair as a float32, as a signed word; infinity above its range."""
    if not v:
        return 0
    m, e = rounded(abs(v) * scale[0], 1, 24)
    e += scale[1] + 150
    return wrap((0x7F800000 if e > 254 else e << 23 | m & 0x7FFFFF) | (0x80000000 if v < 0 else 0))
