"""Plain reference of `move_viper`: boxes of bytes from one place in the arena to another.

``p`` is FILL, FILLED, VALUE: before anything else FILLED bytes from offset FILL on become VALUE; then BOXES, the number of boxes;
then for each of them X, Y (offsets in the arena), RANK, and RANK times COUNT, XSTEP, YSTEP, the outermost dimension first: steps
in bytes, of either sign. A box that lies over itself is moved in order of its dimensions' counts.
"""


def move(arena, weights, at, p):
    fill, filled, value, boxes = p[:4]
    for i in range(fill, fill + filled):
        arena[i] = value
    k = 4
    for _ in range(boxes):
        x, y, rank = p[k : k + 3]
        k += 3
        dims = [p[k + 3 * i : k + 3 * i + 3] for i in range(rank)]
        k += 3 * rank
        rows = 1
        for n, _, _ in dims[:-1]:
            rows *= n
        n, xs, ys = dims[-1]
        for row in range(rows):
            a, b = x, y
            for m, s, t in reversed(dims[:-1]):
                a += row % m * s
                b += row % m * t
                row //= m
            for _ in range(n):
                arena[b] = arena[a]
                a += xs
                b += ys
