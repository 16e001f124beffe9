"""`depthwise` in viper: each channel's part of the input is copied to a padded plane, over which the window then slides.

Its rules are in `int8_viper`.
"""

import micropython

from .int8_viper import requantise


@micropython.viper
def window(a: ptr8, tap: ptr32, s: int, p: ptr32, weights: ptr8):
    """Accumulate output rows p[33] to p[33] + p[34] of channels p[7] to p[7] + p[8]; p[35] is the strip's first row.

    p[32] is the channel in the plane, -1 for none; p[36] the offset of the image.
    """
    base = int(a)
    k = p[13]
    h = p[19]
    w = p[20]
    c = p[21]
    kh = p[22]
    kw = p[23]
    sh = p[24]
    sw = p[25]
    pl = p[27]
    ow = p[29]
    pw = (ow - 1) * sw + kw
    ph = (p[16] - 1) * sh + kh
    tap = ptr32(base + p[15])
    out = ptr32(base + p[6])
    plane = int(out) + 4 * p[18] * p[17] * ow
    # The part of the input that the plane shows: rows y0 to y1, columns 0 to x1.
    top = p[35] * sh - p[26]
    y0 = top
    if y0 < 0:
        y0 = 0
    y1 = top + ph
    if y1 > h:
        y1 = h
    x1 = pw - pl
    if x1 > w:
        x1 = w
    held = (p[32] + 1) & 0xFFFF
    channel = p[7]
    last = channel + p[8]
    while channel < last:
        ic = channel // p[31]
        if ic + 1 != held:
            if held == 0:
                a = ptr8(plane)
                e = plane + ph * pw
                pad = p[30]
                while int(a) < e:
                    a[0] = pad
                    a = ptr8(int(a) + 1)
            held = ic + 1
            y = y0
            while y < y1:
                b = ptr8(plane + (y - top) * pw + pl)
                a = ptr8(base + p[36] + y * w * c + ic)
                e = int(b) + x1
                while int(b) < e:
                    b[0] = a[0]
                    a = ptr8(int(a) + c)
                    b = ptr8(int(b) + 1)
                y += 1
        a = ptr8(int(weights) + channel)
        t = 0
        while t < k:
            tap[t] = (a[0] ^ 128) - 128
            a = ptr8(int(a) + p[2])
            t += 1
        oy = p[33] - p[35]
        y2 = oy + p[34]
        while oy < y2:
            r = plane + oy * sh * pw
            stop = r + ow * sw
            while r < stop:
                a = ptr8(r)
                if k == 9 and kw == 3:
                    s = a[0] * tap[0] + a[1] * tap[1] + a[2] * tap[2]
                    a = ptr8(r + pw)
                    s = a[0] * tap[3] + a[1] * tap[4] + a[2] * tap[5] + s
                    a = ptr8(r + pw + pw)
                    s = a[0] * tap[6] + a[1] * tap[7] + a[2] * tap[8] + s
                else:
                    s = 0
                    y = kh
                    while y > 0:
                        e = int(a) + kw
                        while int(a) < e:
                            s = a[0] * tap[0] + s
                            a = ptr8(int(a) + 1)
                            tap = ptr32(int(tap) + 4)
                        a = ptr8(int(a) + pw - kw)
                        y -= 1
                    tap = ptr32(base + p[15])
                out[0] = s
                out = ptr32(int(out) + 4)
                r += sw
            oy += 1
        channel += 1
    p[32] = held - 1


@micropython.viper
def depthwise(arena, weights, at: int, p):
    q = ptr32(p)
    count = q[2]
    oh = q[28]
    ow = q[29]
    q[6] = q[15] + 4 * q[13]
    q[36] = q[11]
    out = q[12]
    image = 0
    while image < q[14]:
        strip = 0
        while strip < oh:
            q[35] = strip
            end = strip + q[16]
            if end > oh:
                end = oh
            q[32] = 0 - 1
            channel = 0
            while channel < count:
                n = count - channel
                if n > q[18]:
                    n = q[18]
                q[7] = channel
                q[8] = n
                row = strip
                while row < end:
                    rows = end - row
                    if rows > q[17]:
                        rows = q[17]
                    q[33] = row
                    q[34] = rows
                    q[9] = rows * ow
                    window(arena, p, 0, p, weights)
                    q[10] = out + row * ow * count + channel
                    requantise(arena, 0, 0, p)
                    row += rows
                channel += n
            strip = end
        q[36] = q[36] + q[19] * q[20] * q[21]
        out += oh * ow * count
        image += 1
