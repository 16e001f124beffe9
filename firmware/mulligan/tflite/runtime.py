"""What the steps of a model work with while it runs."""

#: Bytes of constants read at a time, at most.
READ = 4096


class Runtime:
    """``arena`` holds the activations, then at ``chunk_at`` the constants at hand, then at ``scratch_at`` what a kernel wants.

    ``chunk`` is the most bytes of constants that are wanted at a time. ``kernel(name)`` finds a kernel's module. ``memory`` is
    what the model keeps from one inference to the next (`memory.Memory`), or None.
    """

    def __init__(self, source, kernel, arena, chunk_at, chunk):
        self.source = source
        self.kernel = kernel
        self.chunk = chunk
        self.chunk_at = chunk_at
        self.scratch_at = chunk_at + (chunk + 3 & -4)
        self.memory = None
        self._views = {}
        self.bind(arena)

    def bind(self, arena):
        """Work in ``arena`` from now on; None: in none, so that its memory can be had."""
        self.arena = arena
        views = self._views
        for key in views:
            views[key] = arena and self._slice(key)

    def _slice(self, key):
        at = self.chunk_at + (key >> 16) * READ
        return memoryview(self.arena)[at : at + (key & 0xFFFF)]

    def _view(self, part, n):
        """``n`` bytes of the chunk, from READ * ``part`` on; made when first asked for, at load, so that running makes none."""
        key = part << 16 | n
        if key not in self._views:
            self._views[key] = self._slice(key)
        return self._views[key]

    def weights(self, at, n):
        """A view of ``n`` bytes of the model from ``at`` on, at most `READ` at a time read into the chunk."""
        part = 0
        while part * READ < n:
            m = min(READ, n - part * READ)
            self.source.readinto(at + part * READ, self._view(part, m))
            part += 1
        return self._view(0, n)
