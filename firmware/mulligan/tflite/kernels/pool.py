"""Plain reference of `pool_viper`: AVERAGE_POOL_2D (rounded half away from 0) and MAX_POOL_2D, of the window's part inside.

- ``p[0]`` XO, ``p[1]`` YO: offsets in the arena of input and output; ``p[2]`` BATCH: images
- ``p[3]`` AVERAGE: 1, or 0 for the maximum; ``p[4]`` LOW, ``p[5]`` HIGH: the fused activation's range, as the arena holds it
- ``p[6:17]`` as in `gemm`: H, W, C, KH, KW, SH, SW, PT, PL, OH, OW
"""


def pool(arena, weights, at, p):
    xo, yo, batch, average, low, high, h, w, c, kh, kw, sh, sw, pt, pl, oh, ow = p
    for _ in range(batch):
        for oy in range(oh):
            y0 = max(0, oy * sh - pt)
            y1 = min(h, oy * sh - pt + kh)
            for ox in range(ow):
                x0 = max(0, ox * sw - pl)
                x1 = min(w, ox * sw - pl + kw)
                n = (y1 - y0) * (x1 - x0)
                for j in range(xo, xo + c):
                    v = [arena[j + (iy * w + ix) * c] for iy in range(y0, y1) for ix in range(x0, x1)]
                    if average:
                        s = sum(v) - 128 * n
                        t = 128 + ((s + n // 2) // n if s > 0 else -((n // 2 - s) // n))
                    else:
                        t = max(v)
                    arena[yo] = min(high, max(low, t))
                    yo += 1
        xo += h * w * c
