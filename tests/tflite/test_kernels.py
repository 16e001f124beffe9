"""Each kernel against its definition, over random layers: the plain ones anywhere, viper's where there is a native emitter."""

import struct
import sys
from array import array

from mulligan.tflite import fixedpoint, kernels
from mulligan.tflite.codes import APART, PATCHES, WINDOW
from mulligan.tflite.ops import softmax as exponentials
from tflite.models import Random

VIPER = bool(getattr(sys.implementation, "_mpy", 0) >> 10)  # bits 10 and up name the native code that the port runs


def kinds(name):
    """The kernel's modules: the plain one and, where there is native code, the viper one."""
    path = "mulligan.tflite.kernels." + name
    found = [__import__(path, None, None, ("",))]
    if VIPER:
        found.append(__import__(path + "_viper", None, None, ("",)))
        assert kernels.get(name) is found[1]
    else:
        print("no native emitter here: the plain kernel alone is tested")
        assert kernels.get(name) is found[0]
    return found


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


class Scaling:
    """Random biases and multipliers, the tables that a layer's ``p`` ends with, and what they make of an accumulator."""

    def __init__(self, random, count, small=30):
        self.each = random.below(2)
        n = count if self.each else 1
        self.bias = [(random.below(1 << 30) << 2) - (1 << 31) >> random.between(31 - small, 31) for _ in range(count)]
        self.mult = [(1 << 30) + random.below(1 << 30) if random.below(9) else 0 for _ in range(n)]
        self.shift = bytearray([random.between(small, 40) for _ in range(n)])
        self.zero = random.below(256)
        self.low = random.between(-self.zero, 255 - self.zero)
        self.high = random.between(self.low, 255 - self.zero)
        if random.below(2):
            self.low, self.high = 0, 255 - self.zero
        self.count = count

    def p(self, *rest, apart=0):
        """A kernel's parameters: the eleven words of `requantise`, ``rest``, the tables, ``apart`` without the biases."""
        head = [11 + len(rest), self.each | apart << 1, self.count, self.zero, self.low, self.high, 0, 0, 0, 0, 0]
        shift = struct.unpack("<%di" % ((len(self.shift) + 3) // 4), bytes(self.shift) + bytes(-len(self.shift) % 4))
        return array("i", head + list(rest) + ([] if apart else self.bias) + self.mult + list(shift))

    def finish(self, acc, c):
        v = fixedpoint.requantise(fixedpoint.wrap(acc + self.bias[c]), self.mult[c * self.each], self.shift[c * self.each] - 31)
        return self.zero + min(self.high, max(self.low, v))


def test_flip():
    for k in kinds("int8"):
        for offset in range(5):
            for n in range(10):
                buf = bytearray(range(120, 136))
                k.flip(buf, buf, 0, array("i", (offset, n)))
                assert buf == bytes([v ^ 128 if offset <= i < offset + n else v for i, v in enumerate(range(120, 136))])


def test_sums_and_fold():
    random = Random(21)
    for k in kinds("int8"):
        for count, n in ((5, 12), (1, 7), (7, 1)):
            w = random.fill(bytearray(count * n))
            for last in (0, count):
                expected = [sum([signed(w[i * count + c if last else c * n + i]) for i in range(n)]) for c in range(count)]
                for piece in (1, 5, 16, count * n):
                    p = array("i", [1000] + [0] * count + [77])
                    for i in range(0, count * n, piece):
                        k.sums(p, memoryview(w)[i : i + piece], i, array("i", (1, n, last, 0)))
                    assert list(p) == [1000] + expected + [77]
        bias = bytes([255, 255, 255, 127, 0, 0, 0, 128])
        p = array("i", [7, 8, -100, 100, 9])
        k.fold(p, bias, 4, array("i", (1, 0, 0, 200)))
        assert list(p) == [7, 8, fixedpoint.wrap(0x7FFFFFFF + 20000), fixedpoint.wrap(-0x80000000 - 20000), 9]


def test_requantise():
    random = Random(25)
    edges = (0, 1, -1, 0x7FFFFFFF, -0x80000000, 0x40000000, -0x40000000, 0x3FFFFFFF)
    for step in range(300):
        channels, pixels, first = random.between(1, 4), random.between(1, 5), random.below(4)
        count = first + channels + random.below(2)
        layer = Scaling(random, count, random.below(31))
        if step % 4 == 0:
            layer.shift = bytearray([random.between(0, 61) for _ in layer.shift])
        scale = random.below(31)
        acc = [(random.below(1 << 30) << 2 | random.below(4)) - (1 << 31) >> scale for _ in range(channels * pixels)]
        if step % 3 == 0:
            acc = [edges[random.below(8)] for _ in acc]
            layer.bias = [edges[random.below(8)] for _ in layer.bias]
        p = layer.p()
        p[6], p[7], p[8], p[9] = 4, first, channels, pixels
        p[10] = 4 + 4 * len(acc) + 2
        arena = struct.pack("<i%dI" % len(acc), -1, *[v & 0xFFFFFFFF for v in acc])
        expected = bytearray(b"\xaa" * (2 + count * pixels))
        for c in range(channels):
            for i in range(pixels):
                expected[2 + i * count + c] = layer.finish(acc[c * pixels + i], first + c)
        for k in kinds("int8"):
            y = bytearray(arena + b"\xaa" * len(expected))
            k.requantise(y, 0, 0, p)
            assert y[len(arena) :] == expected


def gemm(random, layer, k, pixels, pieces, block, patches, slide, given, zero=None):
    """Run `gemm` with the weights in ``pieces``; ``patches`` are what it should see, ``given`` is the input. ``zero``: + 128, if
    the biases are APART.
    """
    count = layer.count
    w = random.fill(bytearray(count * k))
    if random.below(3) == 0:
        w = bytearray([v & 0x80 for v in w])
    carry = pixels if [n for n in pieces if n % k] else 0
    xo, yo = 4, 4 + (len(given) + 3 & -4)
    scratch = yo + (count * pixels + 3 & -4) + 4
    size = scratch + 4 * (carry + block + block * (max(pieces) // k + 1)) + (block * k if slide else 0)
    more = (WINDOW,) + slide if slide else (PATCHES,) if zero is None else (APART, size, zero)
    p = layer.p(xo, yo, k, pixels, block, scratch, carry, 0, 0, 0, 0, *more, apart=more[0] == APART)
    biases = struct.pack("<%di" % count, *layer.bias) if more[0] == APART else b""
    expected = bytearray()
    for u in patches:
        expected += bytes(
            [layer.finish(sum([(u[i] - (zero or 0)) * signed(w[c * k + i]) for i in range(k)]), c) for c in range(count)]
        )
    for kind, mapped in [(kind, i) for kind in kinds("gemm") for i in range(2)]:
        p[21] = mapped
        arena = bytearray(size) + biases + bytes(4)
        arena[xo : xo + len(given)] = given
        arena[-4:] = arena[scratch - 4 : scratch] = b"\xa5\x5a\xa5\x5a"
        start = 0
        for n in pieces:
            off = random.below(4) * mapped  # what is mapped may lie anywhere
            piece = memoryview(bytearray(off) + w[start : start + n])[off:]
            kind.gemm(arena, piece, start, p)
            assert not mapped or piece == w[start : start + n]
            start += n
        assert start == count * k
        assert arena[yo : yo + len(expected)] == expected
        assert arena[-4:] == arena[scratch - 4 : scratch] == b"\xa5\x5a\xa5\x5a"  # nothing beyond the scratch


def pieces(random, total, k):
    """Full reads of some length, and the rest; half of the time they end with a channel."""
    n = random.between(1, total // k) * k if random.below(2) else random.between(1, total)
    return [n] * (total // n) + [total % n] * (total % n > 0)


def test_gemm():
    random = Random(23)
    for _ in range(80):
        k, count, pixels = random.between(1, 40), random.between(1, 6), random.between(1, 5)
        x = random.fill(bytearray(k * pixels))
        patches = [x[i * k : i * k + k] for i in range(pixels)]
        gemm(random, Scaling(random, count, 24), k, pixels, pieces(random, count * k, k), random.between(1, 6), patches, None, x)
    for _ in range(80):
        k, count = random.between(1, 1200) if random.below(4) == 0 else random.between(1, 40), random.between(1, 6)
        x = random.fill(bytearray(k))
        layer = Scaling(random, count, 24)
        gemm(random, layer, k, 1, pieces(random, count * k, k), 1, [x], None, x, random.below(256))


def test_gemm_of_a_window():
    random = Random(22)
    for _ in range(60):
        h, w, c, kh, kw, sh, sw, pt, pl, oh, ow = window(random)
        batch, count, pad, k = random.between(1, 2), random.between(1, 3), random.below(256), kh * kw * c
        x = random.fill(bytearray(batch * h * w * c))
        patches = []
        for image in range(batch):
            part = x[image * h * w * c :]
            for i in range(oh * ow):
                patch = []
                for t in range(kh * kw):
                    iy, ix = i // ow * sh - pt + t // kw, i % ow * sw - pl + t % kw
                    patch += [at(part, h, w, c, iy, ix, j, pad) for j in range(c)]
                patches.append(patch)
        slide = h, w, c, kh, kw, sh, sw, pt, pl, oh, ow, pad
        reads = pieces(random, count * k, k)
        gemm(random, Scaling(random, count, 24), k, batch * oh * ow, reads, random.between(1, 9), patches, slide, x)


def test_gemm_at_its_limit():
    for x, w, zero in ((255, 0x80, None), (255, 0x7F, None), (0, 0x80, None), (255, 0x7F, 0), (0, 0x80, 255), (0, 0x7F, 255)):
        for kind in kinds("gemm"):
            arena = bytearray(bytes([x]) * 65536 + bytes(64))
            # The least multiplier of which an output still tells something: 65536 * 255 * 128 is just below 2**31.
            p = [23, 0, 1, 128, -128, 127, 0, 0, 0, 0, 0, 0, 65536, 65536, 1, 1, 65540, 1] + [0] * 5
            if zero is None:
                p += [0]
            else:
                p[:2] = 25, 2
                p[22:] = APART, 65596, zero
            p = array("i", p + [1 << 30, 7])
            for start in range(0, 65536, 4096):
                kind.gemm(arena, memoryview(bytearray(bytes([w]) * 4096)), start, p)
            assert arena[65536] - 128 == fixedpoint.requantise(65536 * (x - (zero or 0)) * signed(w), 1 << 30, 7 - 31)


def test_gemm_over_its_input():
    """A pointwise convolution with all its weights at hand may write where its input lies: `arena.BEFORE`."""
    random = Random(28)
    for _ in range(40):
        k, count, pixels = random.between(1, 9), random.between(1, 9), random.between(1, 12)
        x = random.fill(bytearray(k * pixels))
        w = random.fill(bytearray(k * count))
        layer = Scaling(random, count, 24)
        expected = [
            layer.finish(sum([x[i * k + j] * signed(w[c * k + j]) for j in range(k)]), c)
            for i in range(pixels)
            for c in range(count)
        ]
        block = random.between(1, 4)
        end = max(k, count) * pixels
        scratch = end + 3 & -4
        xo, yo = (end - k * pixels, 0)
        p = layer.p(xo, yo, k, pixels, block, scratch, 0, 0, 0, 0, 0, WINDOW, 1, pixels, k, 1, 1, 1, 1, 0, 0, 1, pixels, 0)
        for kind in kinds("gemm"):
            arena = bytearray(scratch + 4 * (block + block * (count + 1)) + block * k)
            arena[xo : xo + len(x)] = x
            kind.gemm(arena, memoryview(bytearray(w)), 0, p)
            assert list(arena[:end][: count * pixels]) == expected


def test_depthwise():
    random = Random(24)
    for step in range(100):
        h, w, c, kh, kw, sh, sw, pt, pl, oh, ow = window(random)
        m, batch, pad = random.between(1, 3), random.between(1, 2), random.below(256)
        over = step % 3 == 0 and oh <= h and ow <= w
        if over:
            m = batch = 1
        count = c * m
        x = random.fill(bytearray(batch * h * w * c))
        weights = random.fill(bytearray(kh * kw * count))
        layer = Scaling(random, count, 27)
        expected = bytearray()
        for image in range(batch):
            part = x[image * h * w * c :]
            for i in range(oh * ow):
                for o in range(count):
                    s = 0
                    for t in range(kh * kw):
                        iy, ix = i // ow * sh - pt + t // kw, i % ow * sw - pl + t % kw
                        s += at(part, h, w, c, iy, ix, o // m, pad) * signed(weights[t * count + o])
                    expected.append(layer.finish(s, o))
        strip = oh if over else random.between(1, oh)
        rows = random.between(1, strip)
        block = random.between(1, count) if rows == strip else 1
        yo = random.below(h * w - oh * ow + 1) * c if over else len(x)
        scratch = max(len(x), yo + len(expected)) + 3 & -4
        size = scratch + 4 * (kh * kw + block * rows * ow) + ((strip - 1) * sh + kh) * ((ow - 1) * sw + kw)
        slide = h, w, c, kh, kw, sh, sw, pt, pl, oh, ow, pad, m
        p = layer.p(0, yo, kh * kw, batch, scratch, strip, rows, block, *slide, 0, 0, 0, 0, 0)
        for kind in kinds("depthwise"):
            arena = bytearray(size + 4)
            arena[: len(x)] = x
            arena[-4:] = b"\xa5\x5a\xa5\x5a"
            kind.depthwise(arena, memoryview(weights), 0, p)
            assert arena[yo : yo + len(expected)] == expected
            assert arena[-4:] == b"\xa5\x5a\xa5\x5a"


def test_pool():
    random = Random(26)
    for _ in range(60):
        h, w, c, kh, kw, sh, sw, pt, pl, oh, ow = window(random)
        batch = random.between(1, 2)
        x = random.fill(bytearray(batch * h * w * c + 1))
        low = random.below(200)
        high = random.between(low, 255)
        for average in (0, 1):
            expected = []
            for image in range(batch):
                part = x[1 + image * h * w * c :]
                for oy in range(oh):
                    for ox in range(ow):
                        for j in range(c):
                            y0, x0 = oy * sh - pt, ox * sw - pl
                            v = [at(part, h, w, c, y0 + t // kw, x0 + t % kw, j, None) for t in range(kh * kw)]
                            v = [u - 128 for u in v if u is not None]
                            s, n = sum(v), len(v)
                            mean = (abs(s) + n // 2) // n * (1 if s > 0 else -1)
                            expected.append(min(high, max(low, 128 + (mean if average else max(v)))))
            slide = h, w, c, kh, kw, sh, sw, pt, pl, oh, ow
            p = array("i", (1, len(x) + 1, batch, average, low, high) + slide)
            for k in kinds("pool"):
                arena = x + bytearray(len(expected) + 2)
                k.pool(arena, arena, 0, p)
                assert list(arena[len(x) :]) == [0] + expected + [0]


def softmax(k, x, depth, scale_bits):
    p = array("i", bytes(4 * 260))
    p[1], p[2], p[3] = len(x), len(x) // depth, depth
    exponentials.table(0x3F800000, scale_bits, p, 4)
    arena = bytearray(x) + bytearray(len(x))
    k.softmax(arena, arena, 0, p)
    return arena[len(x) :]


def test_softmax():
    random = Random(27)
    for step in range(60):
        depth, rows = random.between(1, 30), random.between(1, 3)
        scale = random.between(118, 126) << 23 | random.below(1 << 23)
        x = random.fill(bytearray(depth * rows))
        if step % 3 == 0:
            x = bytearray([v & 7 for v in x])
        found = [softmax(k, x, depth, scale) for k in kinds("softmax")]
        assert found[0] == found[-1]
        for r in range(rows):
            assert abs(sum(found[0][r * depth : (r + 1) * depth]) - 256) <= depth


def test_softmax_of_very_many():
    # All alike: beyond 512 the shares are below half a unit, and the reference's shift exceeds 31 bits.
    for depth, share in ((256, 1), (511, 1), (513, 0), (4095, 0)):
        for k in kinds("softmax"):
            assert set(softmax(k, bytes(depth), depth, 0x3D800000)) == {share}
