"""What is left of a layer once it is loaded: its parameters and its kernel."""


class Step:
    """``kernel(arena, weights, at, p)`` is called once, or for each ``chunk`` bytes of the ``size`` at ``data`` in the model."""

    def __init__(self, macs, kernel, p, data=0, size=0, chunk=0):
        self.macs = macs
        self._kernel = kernel
        self._p = p
        self._data = data
        self._size = size
        self._chunk = chunk

    def run(self, rt):
        """Run the layer. Allocates nothing once ``rt`` has the views, which loading the weights makes."""
        arena = rt.arena
        size = self._size
        if not size:
            self._kernel(arena, arena, 0, self._p)
        at = 0
        while at < size:
            n = min(self._chunk, size - at)
            self._kernel(arena, rt.weights(self._data + at, n), at, self._p)
            at += n
