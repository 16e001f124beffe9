"""What the steps of a model work with while it runs."""

#: Bytes of constants read at a time, at most.
READ = 4096


class Runtime:
    """``arena`` holds the activations, and for each layer a place to work in: ``chunk`` bytes for the constants at hand, then at
    ``scratch_at`` what a kernel wants. `enter` says which layer's. ``kernel(name)`` gives a kernel's module. ``memory`` is what
    the model keeps from one inference to the next (`memory.Memory`), or None. ``view`` is the source's memoryview, or None: with
    one, the constants are used where they are, and never read.
    """

    def __init__(self, source, kernel, arena):
        self.source = source
        self.view = getattr(source, "view", None)
        self.kernel = kernel
        self.chunk = self.scratch_at = 0
        self.memory = None
        self._all = {}  # by place to work in: the views of it
        self._pieces = {}  # by place in the model, where it has a view, by length: the views of that
        self.bind(arena)

    def bind(self, arena):
        """Work in ``arena`` from now on; None: in none, so that its memory can be had."""
        self.arena = arena
        for work, views in self._all.items():
            for key in views:
                views[key] = arena and self._slice(work, key)

    def prepare(self, work, chunk):
        """A layer is loaded that works from offset ``work`` of the arena on, with ``chunk`` bytes of constants at a time."""
        self.chunk = chunk
        self.scratch_at = work + (chunk + 3 & -4)
        if work not in self._all:
            self._all[work] = {}
        self.enter(work)

    def enter(self, work):
        """The layer that works there loads or runs next."""
        self._work = work
        self._views = self._all[work]

    def _slice(self, work, key):
        at = work + (key >> 16) * READ
        return memoryview(self.arena)[at : at + (key & 0xFFFF)]

    def _view(self, part, n):
        """``n`` bytes of the chunk, from READ * ``part`` on; made when first asked for, at load, so that running makes none."""
        key = part << 16 | n
        if key not in self._views:
            self._views[key] = self._slice(self._work, key)
        return self._views[key]

    def weights(self, at, n):
        """A view of ``n`` bytes of the model from ``at`` on, at most `READ` at a time read into the chunk if need be."""
        if self.view is not None:
            if at not in self._pieces:
                self._pieces[at] = {}
            pieces = self._pieces[at]
            if n not in pieces:
                pieces[n] = self.view[at : at + n]
            return pieces[n]
        part = 0
        while part * READ < n:
            m = min(READ, n - part * READ)
            self.source.readinto(at + part * READ, self._view(part, m))
            part += 1
        return self._view(0, n)
