"""The steps of SVDF and LSTM, which call several kernels over and over: each has a ``run`` that stands for a kernel."""

from .limits import READ


class Stream:
    """``size`` bytes of constants at ``data`` of the model, read at most ``chunk`` at a time to offset ``work`` of the arena;
    used where they lie if the model is in memory, or, ``kept``, from a copy.
    """

    def __init__(self, engine, work, data, size, chunk=READ, kept=False):
        self._engine = engine
        self._work = work
        self._data = data
        self._size = size
        self._chunk = chunk = min(chunk, size)
        self._kept = None
        if engine.view is not None:
            self._kept = [engine.view[data + i : data + min(i + chunk, size)] for i in range(0, size, chunk)]
        elif kept:
            piece = bytearray(size)
            engine.source.readinto(data, piece)
            self._kept = [piece]
        else:
            engine.bound.append(self)

    def bind(self, arena):
        """Work in another arena; None: in none."""
        view = memoryview(arena or b"")
        self._views = [view[self._work : self._work + n] for n in (self._chunk, self._size % self._chunk or self._chunk)]

    def run(self, kernel, arena, p):
        """Call the kernel with each piece."""
        at = 0
        while at < self._size:
            if self._kept:
                piece = self._kept[at // self._chunk]
            else:
                piece = self._views[self._size - at < self._chunk]
                self._engine.source.readinto(self._data + at, piece)
            kernel(arena, piece, at, p)
            at += self._chunk


class Svdf:
    """``p``: the parameters of `dots`, `rescale`, `svdf` and `requantise`; ``feature``, ``time``: the `Stream` of each;
    ``states``: bytes of those of one batch.
    """

    def __init__(self, engine, p, batch, feature, time, states):
        self._p = p
        self._batch = batch
        self._places = p[0][1], p[2][0], p[3][10]
        self._feature = feature
        self._time = time
        self._states = states
        self._kernels = engine.kernel("dots").dots, engine.kernel("rescale").rescale, engine.kernel("svdf")
        self._requantise = engine.kernel("int8").requantise

    def run(self, arena, weights, at, _):
        dots, rescale, svdf = self._kernels
        first, scale, p, last = self._p
        xo, so, yo = self._places
        for b in range(self._batch):
            first[1] = xo + b * first[2]
            p[0] = so + b * self._states
            last[10] = yo + b * p[8]
            self._feature.run(dots, arena, first)
            rescale(arena, 0, 0, scale)
            svdf.advance(arena, arena, 0, p)
            self._time.run(svdf.remember, arena, p)
            svdf.gather(arena, arena, 0, p)
            self._requantise(arena, 0, 0, last)


class Lstm:
    """``p``: `lstm`'s; ``products``: (parameters of `dots`, `Stream` of the weights) of each product of a gate; ``places``: of
    input, hidden states, cell states, output.
    """

    def __init__(self, engine, p, products, places, sizes):
        self._p = p
        self._products = products
        self._places = places
        self._sizes = sizes
        self._kernels = engine.kernel("dots").dots, engine.kernel("lstm")

    def run(self, arena, weights, at, _):
        batch, steps, k, n, time_major = self._sizes
        xo, ho, co, yo = self._places
        p = self._p
        for b in range(batch):
            p[2] = co + 2 * b * n
            p[3] = ho + b * n
            for t in range(steps):
                at = t * batch + b if time_major else b * steps + t
                p[4] = yo + at * n
                self._step(arena, xo + at * k)

    def _step(self, arena, x):
        p = self._p
        dots, lstm = self._kernels
        for i in range(8):
            q, stream = self._products[i]
            q[1] = p[3] if i & 1 else x
            stream.run(dots, arena, q)
            if i & 1:
                lstm.gate(arena, arena, i >> 1, p)
        lstm.update(arena, arena, 0, p)
