"""Plain reference of `svdf_viper`: the parts of SVDF that are no matrix times vector.

``p``, which all three share, is STATE (offset in the arena of [filters][MEMORY] states, int16, or int8 as activations are
held), MEMORY, WIDTH (bytes of a state), ZERO (their zero point), FILTERS, ACC (offset of a new state of each filter, int32),
SUMS (offset of FILTERS int32s), RANK, UNITS, then the bias of each unit. ``at`` is not used but by `remember`.
"""

import struct

from ..fixedpoint import wrap


def advance(arena, weights, at, p):
    """Forget each filter's oldest state; the newest one comes out of ACC."""
    state, memory, width, zero, filters, acc = p[:6]
    n = filters * memory * width
    arena[state : state + n - width] = arena[state + width : state + n]
    for f in range(filters):
        v = struct.unpack_from("<i", arena, acc + 4 * f)[0] + zero
        i = state + ((f + 1) * memory - 1) * width
        if width == 1:
            arena[i] = v + 128 & 255
        else:
            arena[i] = v & 255
            arena[i + 1] = v >> 8 & 255


def remember(arena, weights, at, p):
    """SUMS of whole filters: their states times ``weights``, those of the time tensor from byte ``at`` on."""
    state, memory, width, zero, _, _, sums = p[:7]
    form = "<%d%s" % (len(weights) // width, "b" if width == 1 else "h")
    states = list(struct.unpack_from(form, arena, state + at))
    if width == 1:
        states = [s + 256 if s < 0 else s for s in states]
        zero += 128
    times = struct.unpack_from(form, bytes(weights))
    first = at // (memory * width)
    for i in range(len(times) // memory):
        s = 0
        for j in range(i * memory, (i + 1) * memory):
            s += (states[j] - zero) * times[j]
        struct.pack_into("<i", arena, sums + 4 * (first + i), wrap(s))


def gather(arena, weights, at, p):
    """ACC of each unit: its bias and the SUMS of its RANK filters."""
    acc, sums, rank, units = p[5:9]
    for u in range(units):
        s = p[9 + u]
        for f in range(u * rank, (u + 1) * rank):
            s += struct.unpack_from("<i", arena, sums + 4 * f)[0]
        struct.pack_into("<i", arena, acc + 4 * u, wrap(s))
