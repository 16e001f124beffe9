"""Each kernel against its definition, over random layers: the plain ones anywhere, viper's where there is a native emitter."""

import sys
from array import array

from mulligan.tflite import kernels, quant
from tflite.models import Random

KERNELS = [kernels]
try:
    from mulligan.tflite import viper

    KERNELS.append(viper)
except (ImportError, SyntaxError, ValueError):
    # Not left out where it should be there: bits 10 and up of _mpy name the native code that the port runs.
    assert not getattr(sys.implementation, "_mpy", 0) >> 10
    print("no native emitter here: the plain kernels alone are tested")


def signed(byte):
    return byte - 256 if byte > 127 else byte


def window(random):
    """(h, w, c, kh, kw, sh, sw, pt, pl, oh, ow)"""
    while True:
        h, w, c = random.between(1, 9), random.between(1, 9), random.between(1, 5)
        kh, kw, sh, sw = [random.between(1, 4) for _ in range(4)]
        if random.below(2):
            oh, ow = (h + sh - 1) // sh, (w + sw - 1) // sw
        elif kh <= h and kw <= w:
            oh, ow = (h - kh) // sh + 1, (w - kw) // sw + 1
        else:
            continue
        pt, pl = max(0, (oh - 1) * sh + kh - h) // 2, max(0, (ow - 1) * sw + kw - w) // 2
        return h, w, c, kh, kw, sh, sw, pt, pl, oh, ow


def at(x, h, w, c, y, i, j, outside):
    return x[(y * w + i) * c + j] if 0 <= y < h and 0 <= i < w else outside


def test_flip():
    for k in KERNELS:
        for offset in range(5):
            for n in range(10):
                buf = bytearray(range(120, 136))
                k.flip(buf, offset, n)
                assert buf == bytes([v ^ 128 if offset <= i < offset + n else v for i, v in enumerate(range(120, 136))])


def test_sums_and_fold():
    random = Random(21)
    for k in KERNELS:
        w = random.fill(bytearray(60))
        out = array("i", [1000, 0, 0, 0, 0, 0])
        k.sums(w, 5, 12, 12, 1, out, 1)
        assert list(out) == [1000] + [sum([signed(v) for v in w[12 * c : 12 * c + 12]]) for c in range(5)]
        out = array("i", [0] * 5)
        k.sums(w, 5, 12, 1, 5, out, 0)
        assert list(out) == [sum([signed(w[i]) for i in range(c, 60, 5)]) for c in range(5)]
        bias = bytes([255, 255, 255, 127, 0, 0, 0, 128])
        out = array("i", [7, -100, 100])
        k.fold(out, bias, 1, 2, 200)
        assert list(out) == [7, quant.wrap(0x7FFFFFFF + 20000), quant.wrap(-0x80000000 - 20000)]


def test_gather():
    random = Random(22)
    for _ in range(60):
        h, w, c, kh, kw, sh, sw, pt, pl, oh, ow = window(random)
        x = random.fill(bytearray(h * w * c + 3))
        first = random.below(oh * ow)
        pixels = random.between(1, oh * ow - first)
        expected = []
        for p in range(first, first + pixels):
            for t in range(kh * kw):
                y, i = p // ow * sh - pt + t // kw, p % ow * sw - pl + t % kw
                expected += [at(x[3:], h, w, c, y, i, j, 77) for j in range(c)]
        for k in KERNELS:
            patch = bytearray(len(expected) + 1)
            k.gather(x, 3, h, w, c, kh, kw, sh, sw, pt, pl, ow, first, pixels, 77, patch)
            assert list(patch) == expected + [0]


def test_dot():
    random = Random(23)
    for _ in range(60):
        n, channels, pixels = random.between(1, 40), random.between(1, 6), random.between(1, 5)
        stride = n + random.below(4)
        x = random.fill(bytearray(stride * pixels + 2))
        w = random.fill(bytearray(n * channels))
        expected = [
            sum([x[2 + p * stride + i] * (w[c * n + i] - 128) for i in range(n)]) for p in range(pixels) for c in range(channels)
        ]
        for k in KERNELS:
            acc = array("i", [-5] * (pixels * channels))
            k.dot(x, 2, stride, n, w, channels, acc, pixels, 0)
            assert list(acc) == expected
            k.dot(x, 2, stride, n, w, channels, acc, pixels, 1)
            assert list(acc) == [2 * v for v in expected]


def test_dot_at_its_limit():
    for x, w in ((255, 0), (255, 255), (0, 0)):
        for k in KERNELS:
            acc = array("i", [0])
            for at_ in range(0, 65536, 4096):
                k.dot(bytes([x]) * 4096, 0, 0, 4096, bytes([w]) * 4096, 1, acc, 1, at_)
            assert acc[0] == 65536 * x * (w - 128)


def test_depthwise():
    random = Random(24)
    for _ in range(80):
        h, w, c, kh, kw, sh, sw, pt, pl, oh, ow = window(random)
        m = random.between(1, 3)
        x = random.fill(bytearray(h * w * c + 1))
        weights = random.fill(bytearray(kh * kw * c * m))
        first = random.below(c * m)
        channels = random.between(1, c * m - first)
        row = random.below(oh)
        rows = random.between(1, oh - row)
        expected = []
        for o in range(first, first + channels):
            for oy in range(row, row + rows):
                for ox in range(ow):
                    expected.append(
                        sum(
                            [
                                at(x[1:], h, w, c, oy * sh - pt + t // kw, ox * sw - pl + t % kw, o // m, 99)
                                * signed(weights[t * c * m + o])
                                for t in range(kh * kw)
                            ]
                        )
                    )
        for k in KERNELS:
            plane = bytearray(((rows - 1) * sh + kh) * ((ow - 1) * sw + kw))
            acc = array("i", [0] * (kh * kw + len(expected)))
            k.depthwise(x, 1, h, w, c, kh, kw, sh, sw, pt, pl, ow, weights, first, c * m, first, channels, m, row, rows, 99,
                        plane, acc)  # fmt: skip
            assert list(acc)[kh * kw :] == expected


def test_requantise():
    random = Random(25)
    edges = (0, 1, -1, 0x7FFFFFFF, -0x80000000, 0x40000000, -0x40000000, 0x3FFFFFFF)
    for step in range(300):
        channels, pixels = random.between(1, 4), random.between(1, 5)
        scale = random.below(31)
        n = channels * pixels + 1
        acc = array("i", [(random.below(1 << 30) << 2 | random.below(4)) - (1 << 31) >> scale for _ in range(n)])
        bias = array("i", [(random.below(1 << 30) << 2) - (1 << 31) >> scale for _ in range(channels + 2)])
        if step % 3 == 0:
            acc = array("i", [edges[random.below(8)] for _ in acc])
            bias = array("i", [edges[random.below(8)] for _ in bias])
        mult = array("i", [(1 << 30) + random.below(1 << 30) if random.below(9) else 0 for _ in bias])
        shift = bytes([random.between(0, 40 if step % 4 else 61) for _ in bias])
        zero = random.below(256)
        low = random.between(-zero, 255 - zero)
        high = random.between(low, 255 - zero)
        if step % 2:
            low = 0
            high = 255 - zero
        for shared in (0, 1):
            expected = bytearray(b"\xaa" * (2 + (channels + 1) * pixels))
            for p in range(pixels):
                for c in range(channels):
                    f = (c + 2) * (1 - shared)
                    v = quant.requantise(quant.wrap(acc[1 + p * channels + c] + bias[c + 2]), mult[f], shift[f] - 31)
                    expected[2 + p * (channels + 1) + c] = zero + min(high, max(low, v))
            for k in KERNELS:
                y = bytearray(b"\xaa" * len(expected))
                k.requantise(acc, 1, pixels, channels, channels, 1, bias, mult, shift, 2, 1 - shared, zero, low, high, y, 2,
                             channels + 1)  # fmt: skip
                assert y == expected


def test_pool():
    random = Random(26)
    for _ in range(60):
        h, w, c, kh, kw, sh, sw, pt, pl, oh, ow = window(random)
        x = random.fill(bytearray(h * w * c + 1))
        low = random.below(200)
        high = random.between(low, 255)
        for average in (0, 1):
            expected = []
            for oy in range(oh):
                for ox in range(ow):
                    for j in range(c):
                        v = [
                            at(x[1:], h, w, c, oy * sh - pt + t // kw, ox * sw - pl + t % kw, j, None) for t in range(kh * kw)
                        ]
                        v = [u - 128 for u in v if u is not None]
                        s, n = sum(v), len(v)
                        mean = (abs(s) + n // 2) // n * (1 if s > 0 else -1)
                        expected.append(min(high, max(low, 128 + (mean if average else max(v)))))
            for k in KERNELS:
                y = bytearray(len(expected) + 2)
                k.pool(x, 1, h, w, c, kh, kw, sh, sw, pt, pl, oh, ow, average, low, high, y, 1)
                assert list(y) == [0] + expected + [0]


def test_softmax():
    random = Random(27)
    for step in range(60):
        depth, rows = random.between(1, 30), random.between(1, 3)
        exps = quant.exp_table(0x3F800000, random.between(118, 126) << 23 | random.below(1 << 23))
        x = random.fill(bytearray(depth * rows + 1))
        if step % 3 == 0:
            x = bytearray([v & 7 for v in x])
        found = []
        for k in KERNELS:
            y = bytearray(len(x))
            k.softmax(x, 1, rows, depth, exps, y, 1)
            found.append(y)
        assert found[0] == found[-1]
        for r in range(rows):
            assert abs(sum(found[0][1 + r * depth : 1 + (r + 1) * depth]) - 256) <= depth


def test_softmax_of_very_many():
    # All alike: beyond 512 the shares are below half a unit, and the reference's shift exceeds 31 bits.
    exps = quant.exp_table(0x3F800000, 0x3D800000)
    for depth, share in ((256, 1), (511, 1), (513, 0), (4095, 0)):
        for k in KERNELS:
            y = bytearray(depth)
            k.softmax(bytes(depth), 0, 1, depth, exps, y, 0)
            assert set(y) == {share}
