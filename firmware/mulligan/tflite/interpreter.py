"""The interpreter: a model that was checked and planned once is run as often as wanted, without allocating anything."""

from array import array

from . import steps  # noqa: F401  resident with the interpreter, so that each load finds the same one

try:
    from . import viper as _kernels
except (ImportError, SyntaxError, ValueError):  # CPython; no native emitter; an .mpy for another architecture
    from . import kernels as _kernels


class Runtime:
    """What the steps work with: the source, the kernels, and the arena with its scratch from ``scratch_at`` on.

    ``needs``: bytes of chunk, bytes of patch, words of accumulators.
    """

    def __init__(self, source, arena, scratch_at, needs):
        self.source = source
        self.kernels = _kernels
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


class Interpreter:
    """One model, ready to run.

    ``source`` has ``size`` and ``readinto(offset, buf)``; it is read at every inference, at most 4 KB at a time, and the model is
    never held whole. ``arena``: a bytearray to work in, which models may share if each one's output is taken before the next
    runs; None allocates one. ``meter(n)``, if given, is called after each op with its multiply-accumulates (element operations
    for pooling and softmax).

    Raises: ModelError (malformed), Unsupported (what the engine doesn't do, or too little memory).
    """

    def __init__(self, source, arena=None, meter=None):
        from .loader import load

        self._info, self._runtime, self._steps, *self._places = load(source, arena)
        self._meter = meter
        # Two outputs may be one through a RESHAPE, which must not be flipped twice.
        self._flip_in, self._flip_out = [tuple(set(ends)) for ends in self._places]
        self.bind(self._runtime.arena)

    def bind(self, arena):
        """Work in another ``arena`` of at least `arena_size` bytes from now on; None: in none until the next bind."""
        self._runtime.bind(arena)
        view = memoryview(arena or b"")
        self._inputs, self._outputs = [tuple([view[o : o + n] for o, n in ends]) for ends in self._places]

    @property
    def arena_size(self):
        """Bytes of arena that the model needs."""
        return self._info.arena

    @property
    def macs(self):
        """Multiply-accumulates (and element operations) of one inference."""
        return self._info.macs

    def describe(self):
        """The model's `Info`."""
        return self._info

    def input(self, i=0):
        """A memoryview of input ``i``: int8 as two's complement bytes. To be filled before every `invoke`, which uses it up."""
        return self._inputs[i]

    def output(self, i=0):
        """A memoryview of output ``i``: int8 as two's complement bytes. Valid until an input is filled again."""
        return self._outputs[i]

    def invoke(self):
        """Run the model. Allocates nothing. Raises only what the source's ``readinto`` does."""
        rt = self._runtime
        meter = self._meter
        for offset, n in self._flip_in:
            rt.kernels.flip(rt.arena, offset, n)
        for step in self._steps:
            step.run(rt)
            if meter is not None:
                meter(step.macs)
        for offset, n in self._flip_out:
            rt.kernels.flip(rt.arena, offset, n)
