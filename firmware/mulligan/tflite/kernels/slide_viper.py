"""`slide` in viper. Its rules are in `int8_viper`."""

import micropython

from .int8_viper import requantise


@micropython.viper
def windows(a: ptr8, b: ptr8, taps: int, p: ptr32):
    """Accumulators of channel p[7] for p[9] pixels from number p[34] on; its weights lie from byte ``taps`` on."""
    base = int(a)
    acc = ptr32(base + p[6])
    h = p[16]
    w = p[17]
    c = p[18]
    kw = p[20]
    oh = p[25]
    ow = p[26]
    pad = p[27]
    dw = p[29]
    depth = p[30]
    step = p[33]
    wt = int(b) + taps
    pixels = p[9]
    oy = p[34] // ow
    ox = p[34] - oy * ow
    image = oy // oh
    oy = oy - image * oh
    x = base + p[11] + image * h * w * c + p[7] // p[31] * depth
    while pixels > 0:
        s = 0
        tap = wt
        iy = oy * p[21] - p[23]
        ky = p[19]
        while ky > 0:
            ix = ox * p[22] - p[24]
            kx = kw
            while kx > 0:
                b = ptr8(tap)
                e = tap + depth
                if iy >= 0 and iy < h and ix >= 0 and ix < w:
                    a = ptr8(x + (iy * w + ix) * c)
                    while int(b) < e:
                        s = a[0] * ((b[0] ^ 128) - 128) + s
                        a = ptr8(int(a) + 1)
                        b = ptr8(int(b) + 1)
                while int(b) < e:
                    s = pad * ((b[0] ^ 128) - 128) + s
                    b = ptr8(int(b) + 1)
                tap += step
                ix += dw
                kx -= 1
            iy += p[28]
            ky -= 1
        acc[0] = s
        acc = ptr32(int(acc) + 4)
        ox += 1
        if ox == ow:
            ox = 0
            oy += 1
            if oy == oh:
                oy = 0
                x += h * w * c
        pixels -= 1


@micropython.viper
def slide(arena, weights, at: int, p):
    q = ptr32(p)
    count = q[2]
    size = q[19] * q[20] * q[30]
    first = at // size
    last = first + int(len(weights)) // size  # noqa: RUF046  viper's cast from an object
    q[6] = q[15]
    q[8] = 1
    channel = first
    while channel < last:
        q[7] = channel
        pixel = 0
        while pixel < q[13]:
            n = q[13] - pixel
            if n > q[14]:
                n = q[14]
            q[9] = n
            q[10] = q[12] + pixel * count + channel
            q[34] = pixel
            windows(arena, weights, (channel - first) * q[32], p)
            requantise(arena, 0, 0, p)
            pixel += n
        channel += 1
