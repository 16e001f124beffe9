"""The states of a model between its inferences, apart from the arena, which others may use then."""

from array import array


class Memory:
    """``starts`` is `states.States`'s; the states' block lies at offset ``at`` of the arena. An inference that fails changes
    nothing.
    """

    macs = 0

    def __init__(self, rt, at, size, starts):
        self._rt = rt
        self._size = size
        self._starts = starts
        self._kept = bytearray(size)
        self._copy = rt.kernel("constant").constant
        self._to = array("i", (at, 0))
        self._back = array("i", (0, 0))
        self._first = array("i", (0, 128))
        self._arena = self._view = None
        self.reset()

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
                    self._rt.source.readinto(data + i, piece)
                    self._copy(self._kept, piece, i, self._first)

    def run(self, rt):
        """Before the first operator: the states into the arena."""
        self._copy(rt.arena, self._kept, 0, self._to)

    def save(self, rt):
        """After the last one."""
        if self._arena is not rt.arena:
            self._arena = rt.arena
            self._view = memoryview(rt.arena)[self._to[0] : self._to[0] + self._size]
        self._copy(self._kept, self._view, 0, self._back)


class Save:
    macs = 0

    def __init__(self, memory):
        self.run = memory.save
