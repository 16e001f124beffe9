"""Plain reference of `mean_viper`: sums over some dimensions, rescaled.

``p``, behind the eleven words of `int8` (EACH 0, COUNT 1; what is to be taken off a sum is in the bias):

- ``p[11]`` X: offset in the arena of the input; ``p[12]`` SIZE: elements of the output; ``p[13]`` BLOCK: of them at a time
- ``p[14]`` KEPT, ``p[15]`` GONE: the number of dimensions that stay, and that are summed over; then COUNT, STEP (in bytes) of
  each: those that stay and then those that go, the outermost first
"""

from .int8 import finish


def mean(arena, weights, at, p):
    x, size, _, kept, gone = p[11:16]
    stay = [p[16 + 2 * i : 18 + 2 * i] for i in range(kept)]
    go = [p[16 + 2 * i : 18 + 2 * i] for i in range(kept, kept + gone)]
    places = [0]
    for n, step in go:
        places = [i + step * j for i in places for j in range(n)]
    y = p[10]
    for k in range(size):
        i, r = x, k
        for n, step in reversed(stay):
            i += r % n * step
            r //= n
        arena[y + k] = finish(sum([arena[i + j] for j in places]), 0, p)
