"""The steps of SVDF and LSTM, which call several kernels over and over."""

from .runtime import READ


class SvdfStep:
    """``p``: the parameters of `dots`, `rescale`, `svdf` and `requantise`; ``weights``: (position, bytes) of feature and time."""

    def __init__(self, rt, macs, p, batch, weights):
        self.macs = macs
        self._p = p
        self._batch = batch
        self._places = p[0][1], p[2][0], p[3][10]
        self._feature, self._time = feature, time = weights
        self._row = p[2][1] * p[2][2]
        rescale, requantise = rt.kernel("rescale").rescale, rt.kernel("int8").requantise
        self._kernels = rt.kernel("dots").dots, rescale, rt.kernel("svdf"), requantise
        for data, size, chunk in (feature + (READ,), time + (READ // self._row * self._row,)):
            for at in range(0, size, chunk):
                rt.weights(data + at, min(chunk, size - at))  # makes the views

    def run(self, rt):
        arena = rt.arena
        dots, rescale, svdf, requantise = self._kernels
        first, scale, p, last = self._p
        xo, so, yo = self._places
        for b in range(self._batch):
            first[1] = xo + b * first[2]
            p[0] = so + b * self._time[1]
            last[10] = yo + b * p[8]
            self._pieces(rt, dots, self._feature, READ, first)
            rescale(arena, 0, 0, scale)
            svdf.advance(arena, arena, 0, p)
            self._pieces(rt, svdf.remember, self._time, READ // self._row * self._row, p)
            svdf.gather(arena, arena, 0, p)
            requantise(arena, 0, 0, last)

    def _pieces(self, rt, kernel, where, chunk, p):
        data, size = where
        at = 0
        while at < size:
            n = min(chunk, size - at)
            kernel(rt.arena, rt.weights(data + at, n), at, p)
            at += n


class LstmStep:
    """``p``: `lstm`'s; ``products``: (parameters of `dots`, position of the weights, bytes of them) of each product of a gate;
    ``places``: of input, hidden states, cell states, output; ``keep``: whether the weights stay in memory.
    """

    def __init__(self, rt, macs, p, products, places, sizes, keep):
        self.macs = macs
        self._p = p
        self._products = products
        self._places = places
        self._sizes = sizes
        self._kernels = rt.kernel("dots").dots, rt.kernel("lstm")
        self._kept = [bytearray(size) for _, _, size in products] if keep else None
        for i, (_, data, size) in enumerate(products):
            if keep:
                rt.source.readinto(data, self._kept[i])
            else:
                for at in range(0, size, READ):
                    rt.weights(data + at, min(READ, size - at))  # makes the views

    def run(self, rt):
        batch, steps, k, n, time_major = self._sizes
        xo, ho, co, yo = self._places
        p = self._p
        for b in range(batch):
            p[2] = co + 2 * b * n
            p[3] = ho + b * n
            for t in range(steps):
                at = t * batch + b if time_major else b * steps + t
                p[4] = yo + at * n
                self._step(rt, xo + at * k)

    def _step(self, rt, x):
        arena = rt.arena
        p = self._p
        dots, lstm = self._kernels
        for i in range(8):
            q, data, size = self._products[i]
            q[1] = p[3] if i & 1 else x
            if self._kept:
                dots(arena, self._kept[i], 0, q)
            else:
                at = 0
                while at < size:
                    n = min(READ, size - at)
                    dots(arena, rt.weights(data + at, n), at, q)
                    at += n
            if i & 1:
                lstm.gate(arena, arena, i >> 1, p)
        lstm.update(arena, arena, 0, p)
