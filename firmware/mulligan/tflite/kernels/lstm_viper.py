"""`lstm` in viper. Its rules are in `int8_viper`."""

import micropython

from .rescale_viper import rescale


@micropython.viper
def squash(a: ptr8, how: int, to: int, p: ptr32):
    """The first words at WORDS into words ``to`` on. ``how``: 0 logistic, 1 tanh, both of a gate; 2 tanh of a cell."""
    n = p[0]
    a = ptr8(int(a) + p[1])
    out = ptr32(int(a) + 4 * to)
    table = ptr16(int(p) + 4 * p[8])
    sign = 1
    sign = sign << 31
    mult = 3
    shift = 0
    bits = 9
    if how:
        bits = 8
    if how == 2:
        mult = p[6]
        shift = p[7]
    half = (1 << shift) >> 1
    i = 0
    while i < n:
        v = ((ptr32(int(a))[i] ^ sign) - sign) * mult + half >> shift
        u = v
        if v < 0:
            u = 0 - v
        h = u >> bits
        if h >= 255:
            r = 65535 << 8
            if how == 0:
                r = 32767 << 10
        else:
            r = (table[h] << bits) + (u & (1 << bits) - 1) * (table[h + 1] - table[h])
        if how:
            if v >= 0:
                r = r - 8388480 >> 8
            else:
                r = 8388735 - r >> 8
        elif v >= 0:
            r = r + 512 >> 10
        else:
            r = 33554943 - r >> 10
        out[i] = r
        i += 1


@micropython.viper
def add(a: ptr8, t: int, b: int, p: ptr32):
    """The first words at WORDS become themselves plus the next ones, within int16."""
    n = p[0]
    w = ptr32(int(a) + p[1])
    sign = 1
    sign = sign << 31
    i = 0
    while i < n:
        t = ((w[i] ^ sign) - sign) + ((w[n + i] ^ sign) - sign)
        if t > 32767:
            t = 32767
        elif t < -32768:
            t = -32768
        w[i] = t
        i += 1


@micropython.viper
def gate(arena, weights, at: int, p):
    n = ptr32(p)[0]
    rescale(arena, 0, 9 + 16 * at, p)
    rescale(arena, 0, 17 + 16 * at, p)
    add(arena, 0, 0, p)
    how = 0
    if at == 2:
        how = 1
    squash(arena, how, n * (2 + at), p)


@micropython.viper
def products(a: ptr8, t: int, n: int, p: ptr32):
    """Forget gate times cell, and input gate times cell gate, to where a gate's products are."""
    n = p[0]
    w = ptr32(int(a) + p[1])
    cell = ptr16(int(a) + p[2])
    i = 0
    while i < n:
        w[i] = w[2 * n + i] * ((cell[i] ^ 0x8000) - 0x8000)
        w[n + i] = w[3 * n + i] * w[4 * n + i]
        i += 1


@micropython.viper
def keep(a: ptr8, t: int, n: int, p: ptr32):
    """The cell states, from the first words at WORDS, clipped."""
    n = p[0]
    w = ptr32(int(a) + p[1])
    cell = ptr16(int(a) + p[2])
    clip = p[5]
    sign = 1
    sign = sign << 31
    i = 0
    while i < n:
        t = (w[i] ^ sign) - sign
        if t > clip:
            t = clip
        elif t < 0 - clip:
            t = 0 - clip
        w[i] = t
        cell[i] = t
        i += 1


@micropython.viper
def output(a: ptr8, t: int, n: int, p: ptr32):
    """The first words at WORDS, by the output gate."""
    n = p[0]
    w = ptr32(int(a) + p[1])
    i = 0
    while i < n:
        w[i] = w[i] * w[5 * n + i]
        i += 1


@micropython.viper
def show(a: ptr8, t: int, n: int, p: ptr32):
    """The first words at WORDS as hidden states and output."""
    n = p[0]
    base = int(a)
    w = ptr32(base + p[1])
    a = ptr8(base + p[3])
    b = ptr8(base + p[4])
    i = 0
    while i < n:
        a[i] = w[i]
        b[i] = w[i]
        i += 1


@micropython.viper
def update(arena, weights, at: int, p):
    products(arena, 0, 0, p)
    rescale(arena, 0, 73, p)
    rescale(arena, 0, 81, p)
    add(arena, 0, 0, p)
    keep(arena, 0, 0, p)
    squash(arena, 2, 0, p)
    output(arena, 0, 0, p)
    rescale(arena, 0, 89, p)
    show(arena, 0, 0, p)
