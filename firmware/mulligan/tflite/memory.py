"""The states of a model between its inferences, apart from the arena, which others may use then."""

from array import array


def load(engine, at, size, starts):
    """(what a step before the first one runs, what one after the last one does); see `Memory`."""
    engine.memory = Memory(engine, at, size, starts)
    return engine.memory.run, engine.memory.save


class Memory:
    """``starts`` is `states.States`'s; the states' block lies at offset ``at`` of the arena. An inference that fails changes
    nothing.
    """

    def __init__(self, engine, at, size, starts):
        self._source = engine.source
        self._at = at
        self._size = size
        self._starts = starts
        self._kept = bytearray(size)
        self._copy = engine.kernel("constant").constant
        self._to = array("i", (at, 0))
        self._back = array("i", (0, 0))
        self._first = array("i", (0, 128))
        engine.bound.append(self)
        self.reset()

    def bind(self, arena):
        """Work in another arena; None: in none."""
        self._view = arena and memoryview(arena)[self._at : self._at + self._size]

    def reset(self):
        """Forget all that was learned."""
        for at, n, data, value in self._starts:
            for i in range(at, at + n):
                self._kept[i] = value
            if data is not None:
                self._first[0] = at
                for i in range(0, n, 256):
                    m = min(256, n - i)
                    piece = bytearray(m)
                    self._source.readinto(data + i, piece)
                    self._copy(self._kept, piece, i, self._first)

    def run(self, arena, weights, at, p):
        """Before the first operator: the states into the arena."""
        self._copy(arena, self._kept, 0, self._to)

    def save(self, arena, weights, at, p):
        """After the last one."""
        self._copy(self._kept, self._view, 0, self._back)
