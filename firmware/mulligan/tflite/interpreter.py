"""The interpreter: a model that was checked and planned once is run as often as wanted, without allocating anything."""

from . import runtime, steps  # noqa: F401  resident with the interpreter, so that each load finds the same ones


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
