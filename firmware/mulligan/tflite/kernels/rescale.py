"""Plain reference of `rescale_viper`: words of scratch times a multiplier, in place.

``p`` holds from index ``at`` on: AT (offset in the arena of the first int32), N, BIAS, MULT, SHIFT, ZERO, LOW, HIGH. A word
becomes ZERO + (word + BIAS) times the multiplier (`fixedpoint.requantise`), which is clamped to LOW..HIGH.
"""

import struct

from .. import fixedpoint


def scaled(v, p, at):
    """The word that ``v`` becomes."""
    bias, q, s, zero, low, high = p[at + 2 : at + 8]
    return zero + min(high, max(low, fixedpoint.requantise(fixedpoint.wrap(v + bias), q, s)))


def rescale(arena, weights, at, p):
    a = p[at]
    for i in range(a, a + 4 * p[at + 1], 4):
        struct.pack_into("<i", arena, i, scaled(struct.unpack_from("<i", arena, i)[0], p, at))
