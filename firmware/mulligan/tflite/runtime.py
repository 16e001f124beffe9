"""What the steps of a model work with while it runs."""

from array import array

try:
    from . import viper as kernels
except (ImportError, SyntaxError, ValueError):  # CPython; no native emitter; an .mpy for another architecture
    from . import kernels


class Runtime:
    """What the steps work with: the source, the kernels, and the arena with its scratch from ``scratch_at`` on.

    ``needs``: bytes of chunk, bytes of patch, words of accumulators.
    """

    def __init__(self, source, arena, scratch_at, needs):
        self.source = source
        self.kernels = kernels
        self.acc = array("i", bytes(4 * needs[2]))
        self._scratch_at = scratch_at
        self._needs = needs
        self._views = {}
        self.bind(arena)

    def bind(self, arena):
        """Work in ``arena`` from now on; None: in none, so that its memory can be had."""
        self.arena = arena
        view = memoryview(arena or b"")
        at = self._scratch_at
        patch_at = at + (self._needs[0] + 15 & -16)
        self.chunk = view[at : at + self._needs[0]]
        self.patch = view[patch_at : patch_at + self._needs[1]]
        for key in self._views:
            self._views[key] = self.chunk[key >> 13 : (key >> 13) + (key & 0x1FFF)]

    def view(self, offset, n):
        """A memoryview of part of the chunk; made when first asked for, at load, so that running makes none."""
        key = offset << 13 | n
        if key not in self._views:
            self._views[key] = self.chunk[offset : offset + n]
        return self._views[key]
