"""`mean` in viper. Its rules are in `int8_viper`."""

import micropython

from .int8_viper import requantise


@micropython.viper
def totals(a: ptr8, step: int, k: int, p: ptr32):
    """p[9] sums from output number ``k`` on, to where p[6] says."""
    base = int(a)
    out = ptr32(base + p[6])
    end = int(out) + 4 * p[9]
    stay = ptr32(int(p) + 64)
    go = ptr32(int(stay) + 8 * p[14])
    inner = 2 * p[14] - 2
    last = 2 * p[15] - 2
    n = go[last]
    step = go[last + 1]
    rows = 1
    i = 0
    while i < last:
        rows = rows * go[i]
        i += 2
    while int(out) < end:
        at = base + p[11]
        r = k
        i = inner
        while i >= 0:
            t = r // stay[i]
            at += (r - t * stay[i]) * stay[i + 1]
            r = t
            i -= 2
        s = 0
        row = 0
        while row < rows:
            a = ptr8(at)
            r = row
            i = last - 2
            while i >= 0:
                t = r // go[i]
                a = ptr8(int(a) + (r - t * go[i]) * go[i + 1])
                r = t
                i -= 2
            e = int(a) + n * step
            while int(a) < e:
                s += a[0]
                a = ptr8(int(a) + step)
            row += 1
        out[0] = s
        out = ptr32(int(out) + 4)
        k += 1


@micropython.viper
def mean(arena, weights, at: int, p):
    q = ptr32(p)
    size = q[12]
    y = q[10]
    first = 0
    while first < size:
        n = size - first
        if n > q[13]:
            n = q[13]
        q[9] = n
        q[10] = y + first
        totals(arena, 0, first, p)
        requantise(arena, 0, 0, p)
        first += n
    q[10] = y
