"""What SVDF and LSTM, which `ops` has checked, come to: their constants, and the steps of `recurrent`."""

from array import array

from .fixedpoint import wrap
from .layers import fold
from .limits import READ
from .sigmoid import table

#: Weights of an LSTM that are kept in memory, in bytes; more are read again for each step of a sequence.
_KEPT = 4096


def svdf(engine, places, constants, reader):
    """The kernel of an SVDF's step: `recurrent.Svdf.run`."""
    from .recurrent import Stream, Svdf  # stays

    feature, time, bias, zx, zs, zero, q1, s1, q2, s2, batch, k, filters, memory, width, rank = constants
    xo, so, yo = places
    units = filters // rank
    acc = reader.scratch
    dots = array("i", [4, xo, k, acc] + [0] * filters)
    fold(reader, dots, 4, feature, filters * k, 0, zx + 128, 0, filters)
    half = 128 << 8 * (width - 1)
    scale = array("i", (acc, filters, 0, q1, s1, 0, -half, half - 1))
    p = array("i", [so, memory, width, zs, filters, acc, acc + 4 * filters, rank, units] + [0] * units)
    if bias:
        piece = bytearray(4)
        for i in range(units):
            engine.source.readinto(bias + 4 * i, piece)
            p[9 + i] = wrap(int.from_bytes(piece, "little"))
    end = array("i", (11, 0, 1, zero + 128, -128 - zero, 127 - zero, acc, 0, 1, units, yo, 0, q2, s2 + 31))
    row = memory * width
    first = Stream(engine, reader.work, feature, filters * k)
    second = Stream(engine, reader.work, time, filters * row, READ // row * row)
    return Svdf(engine, (dots, scale, p, end), batch, first, second, filters * row).run


def lstm(engine, places, constants, reader):
    """The kernel of an LSTM's step: `recurrent.Lstm.run`."""
    from .recurrent import Lstm, Stream  # stays

    zx, zh, batch, steps, k, n, time_major, limit, power = constants[16:25]
    scales = constants[25:]
    words = reader.scratch
    keep = 4 * n * (k + n) <= _KEPT
    products = []
    p = [n, words, 0, 0, 0, limit, 3 << max(0, 12 + power), max(0, -12 - power), 97]
    for i in range(8):
        weights, bias = constants[2 * i], constants[2 * i + 1]
        hidden = i & 1
        size = n if hidden else k
        dots = array("i", [4, 0, size, words + 4 * n * hidden] + [0] * n)
        fold(reader, dots, 4, weights, n * size, bias, (zh if hidden else zx) + 128, 0, n)
        products.append((dots, Stream(engine, reader.work, weights, n * size, READ, keep)))
        p += [words + 4 * n * hidden, n, 0] + list(scales[2 * i : 2 * i + 2]) + [0, -32768, 32767]
    for i in range(2):
        p += [words + 4 * n * i, n, 0] + list(scales[16 + 2 * i : 18 + 2 * i]) + [0, -32768, 32767]
    p += [words, n, 0] + list(scales[20:]) + [zh + 128, -128 - zh, 127 - zh]
    curve = table()
    p += [wrap(curve[i] | curve[i + 1] << 16) for i in range(0, 256, 2)]
    return Lstm(engine, array("i", p), products, list(places), (batch, steps, k, n, time_major)).run
