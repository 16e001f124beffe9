"""The steps of an execution plan: what each operator has come to once it was checked.

``run(rt)`` allocates nothing (a ``range`` with a computed step would: hence the while loops), reads no flatbuffer and looks
nothing up but its own attributes. A step's life: `ops` makes it (no memory but itself); ``needs()`` says what scratch it wants;
``load(graph, rt)`` works out its constants; then ``run`` at each inference. ``macs`` is the work of a run, ``count`` the
number of channels that tables are kept for. Weights are streamed into ``rt.chunk``, as many channels at a time as fit.
"""

from array import array

#: Bytes of weights read at a time, at most.
CHUNK = 4096
#: Bytes of gathered patches, and words of accumulators, worked on at a time. A single patch or row may need more.
PATCH = 2048
ACCS = 512


class Gemm:
    """CONV_2D and FULLY_CONNECTED: ``pixels`` times ``count`` dot products over ``k``, for each of ``batch`` images.

    ``window`` is `kernels.gather`'s (h, w, c, kh, kw, sh, sw, pt, pl, ow), or None where the patches lie ready in the input.
    ``clamp`` is (zero, low, high) as `kernels.requantise` takes them.
    """

    axis = 0

    def __init__(self, x, weights, bias, y, at, batch, pixels, count, k, window, clamp, fully_connected=False):
        self.macs = batch * pixels * count * k
        self.count = count
        self.tensors = x, weights, bias, y
        self.data = weights.data
        self.xo, self.yo = at
        self.batch = batch
        self.pixels = pixels
        self.k = k
        self.window = window
        self.clamp = clamp
        self.fully_connected = fully_connected
        self.image = x.elements // batch
        self.per = max(1, min(count, CHUNK // k, ACCS))  # channels at a time
        self.block = min(pixels, ACCS // self.per)  # pixels at a time
        if window:
            self.block = max(1, min(self.block, PATCH // k))

    def needs(self):
        """(bytes of chunk, bytes of patch, words of accumulators)"""
        chunk = max(min(CHUNK, self.per * self.k), min(CHUNK, 4 * self.count))
        return chunk, self.block * self.k if self.window else 0, self.block * self.per

    def load(self, graph, rt):
        from . import channels  # in memory only while a model is loaded

        x, weights, bias, y = self.tensors
        self.tensors = None
        self.mult, self.shift = channels.multipliers(graph, x, weights, y, self.fully_connected)
        self.mstep = int(weights.scales > 1)
        self.bias = totals = array("i", bytes(4 * self.count))
        k = self.k
        for first in range(0, self.count, self.per):
            n = min(self.per, self.count - first)
            for at in range(0, k, CHUNK):
                piece = min(CHUNK, k - at)
                rt.source.readinto(self.data + first * k + at, rt.view(0, n * piece))
                rt.kernels.sums(rt.chunk, n, piece, piece, 1, totals, first)
        self.zero_in = graph.zero_point(x) + 128
        channels.fold(rt, bias, totals, self.zero_in)

    def run(self, rt):
        k = self.k
        kernels = rt.kernels
        first = 0
        while first < self.count:
            n = min(self.per, self.count - first)
            rt.source.readinto(self.data + first * k, rt.view(0, n * k))
            kernels.flip(rt.chunk, 0, n * k)
            for image in range(self.batch):
                pixel = 0
                while pixel < self.pixels:
                    m = min(self.block, self.pixels - pixel)
                    self.dot(rt, image, pixel, m, 0, k, n)
                    self.finish(rt, image, pixel, m, first, n)
                    pixel += m
            first += n

    def dot(self, rt, image, pixel, m, at, piece, n):
        """Accumulate ``m`` pixels by the ``n`` channels in the chunk, over elements ``at`` to ``at + piece`` of each patch."""
        k = self.k
        xo = self.xo + image * self.image
        if self.window is None:
            rt.kernels.dot(rt.arena, xo + pixel * k + at, k, piece, rt.chunk, n, rt.acc, m, at)
            return
        if not at:
            h, w, c, kh, kw, sh, sw, pt, pl, ow = self.window
            rt.kernels.gather(rt.arena, xo, h, w, c, kh, kw, sh, sw, pt, pl, ow, pixel, m, self.zero_in, rt.patch)
        rt.kernels.dot(rt.patch, at, k, piece, rt.chunk, n, rt.acc, m, at)

    def finish(self, rt, image, pixel, m, first, n):
        zero, low, high = self.clamp
        count = self.count
        yo = self.yo + (image * self.pixels + pixel) * count + first
        rt.kernels.requantise(rt.acc, 0, m, n, n, 1, self.bias, self.mult, self.shift, first, self.mstep, zero, low, high,
                              rt.arena, yo, count)  # fmt: skip


class LongGemm(Gemm):
    """A `Gemm` with more than a chunk of weights per channel: channel by channel, piece by piece.

    The weights are read again for each block of pixels; a convolution's patch is gathered again for each channel.
    """

    def run(self, rt):
        k = self.k
        for image in range(self.batch):
            pixel = 0
            while pixel < self.pixels:
                m = min(self.block, self.pixels - pixel)
                for first in range(self.count):
                    at = 0
                    while at < k:
                        piece = min(CHUNK, k - at)
                        rt.source.readinto(self.data + first * k + at, rt.view(0, piece))
                        rt.kernels.flip(rt.chunk, 0, piece)
                        self.dot(rt, image, pixel, m, at, piece, 1)
                        at += piece
                    self.finish(rt, image, pixel, m, first, 1)
                pixel += m


class Depthwise:
    """DEPTHWISE_CONV_2D, in strips of ``rows`` output rows and blocks of ``block`` channels.

    ``window`` is (h, w, c, kh, kw, sh, sw, pt, pl, ow) as for `Gemm`; ``m`` the depth multiplier; ``oh`` the output's height.
    A layer whose weights exceed a chunk is read ``per`` channels at a time, a piece for each tap.
    """

    axis = 3

    def __init__(self, x, weights, bias, y, at, batch, oh, m, window, clamp):
        h, w, c, kh, kw, sh, sw, pt, pl, ow = window
        self.k = k = kh * kw
        self.count = count = c * m
        self.macs = batch * oh * ow * count * k
        self.tensors = x, weights, bias, y
        self.data = weights.data
        self.xo, self.yo = at
        self.batch = batch
        self.oh = oh
        self.m = m
        self.window = window
        self.clamp = clamp
        self.image = x.elements // batch
        self.per = min(count, CHUNK // k)
        width = (ow - 1) * sw + kw
        self.rows = rows = max(1, min(oh, ACCS // ow, (PATCH // width - kh) // sh + 1))
        self.plane = ((rows - 1) * sh + kh) * width
        self.block = max(1, min(self.per, ACCS // (rows * ow)))

    def needs(self):
        """(bytes of chunk, bytes of patch, words of accumulators)"""
        words = self.k + self.block * self.rows * self.window[9]
        return max(self.per * self.k, min(CHUNK, 4 * self.count)), self.plane, words

    def load(self, graph, rt):
        from . import channels  # in memory only while a model is loaded

        x, weights, bias, y = self.tensors
        self.tensors = None
        self.mult, self.shift = channels.multipliers(graph, x, weights, y, False)
        self.mstep = int(weights.scales > 1)
        self.bias = totals = array("i", bytes(4 * self.count))
        for first in range(0, self.count, self.per):
            n = min(self.per, self.count - first)
            self.read(rt, first, n)
            rt.kernels.sums(rt.chunk, n, self.k, 1, n, totals, first)
        self.zero_in = graph.zero_point(x) + 128
        channels.fold(rt, bias, totals, self.zero_in)

    def read(self, rt, first, n):
        """The weights of ``n`` channels into the chunk, tap by tap. The views are made once, by `load`."""
        if n == self.count:
            rt.source.readinto(self.data, rt.view(0, n * self.k))
            return
        for tap in range(self.k):
            rt.source.readinto(self.data + tap * self.count + first, rt.view(tap * n, n))

    def run(self, rt):
        h, w, c, kh, kw, sh, sw, pt, pl, ow = self.window
        zero, low, high = self.clamp
        kernels = rt.kernels
        k = self.k
        count = self.count
        first = 0
        while first < count:
            n = min(self.per, count - first)
            self.read(rt, first, n)
            for image in range(self.batch):
                xo = self.xo + image * self.image
                row = 0
                while row < self.oh:
                    rows = min(self.rows, self.oh - row)
                    m = rows * ow
                    yo = self.yo + (image * self.oh + row) * ow * count
                    i = 0
                    while i < n:
                        d = min(self.block, n - i)
                        kernels.depthwise(rt.arena, xo, h, w, c, kh, kw, sh, sw, pt, pl, ow, rt.chunk, i, n, first + i, d, self.m,
                                          row, rows, self.zero_in, rt.patch, rt.acc)  # fmt: skip
                        kernels.requantise(rt.acc, k, m, 1, d, m, self.bias, self.mult, self.shift, first + i, self.mstep,
                                           zero, low, high, rt.arena, yo + first + i, count)  # fmt: skip
                        i += d
                    row += rows
            first += n


class Pool:
    """MAX_POOL_2D and AVERAGE_POOL_2D. ``clamp`` is (low, high), as the arena holds them."""

    count = 0

    def __init__(self, at, batch, oh, average, window, clamp):
        self.xo, self.yo = at
        self.batch = batch
        self.oh = oh
        self.average = average
        self.window = window
        self.clamp = clamp
        self.macs = batch * oh * window[9] * window[2] * window[3] * window[4]

    def needs(self):
        return 0, 0, 0

    def load(self, graph, rt):
        pass

    def run(self, rt):
        h, w, c, kh, kw, sh, sw, pt, pl, ow = self.window
        low, high = self.clamp
        for image in range(self.batch):
            rt.kernels.pool(rt.arena, self.xo + image * h * w * c, h, w, c, kh, kw, sh, sw, pt, pl, self.oh, ow, self.average,
                            low, high, rt.arena, self.yo + image * self.oh * ow * c)  # fmt: skip


class Softmax:
    count = 0

    def __init__(self, at, rows, depth, exps):
        self.xo, self.yo = at
        self.rows = rows
        self.depth = depth
        self.exps = exps
        self.macs = rows * depth

    def needs(self):
        return 0, 0, 0

    def load(self, graph, rt):
        pass

    def run(self, rt):
        rt.kernels.softmax(rt.arena, self.xo, self.rows, self.depth, self.exps, rt.arena, self.yo)
