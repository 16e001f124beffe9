"""The interpreter: a model that was checked and planned once is run as often as wanted, without allocating anything."""

import gc

from ..borrow import SHORT, Borrowed
from ..core.model_errors import NoMemory, Unsupported
from . import kernels, step  # noqa: F401  `step` stays in memory, so that each load finds the same one
from .runtime import Runtime


def _threshold(n):
    """Collect garbage after each ``n`` bytes; what was set before. CPython's own thresholds are left alone."""
    if not SHORT:
        return -1
    before = gc.threshold()
    gc.threshold(n)
    return before


class Interpreter:
    """One model, ready to run.

    ``source`` has ``size`` and ``readinto(offset, buf)``; it is read at every inference, at most 4 KB at a time, and the model is
    never held whole. If it also has a ``view``, a memoryview of all its bytes (in RAM, or a romfs file's), the constants are used
    where they lie, an inference reads nothing, and the arena has no room for them.

    ``arena``: a bytearray to work in, which models may share if each one's output is taken before the next runs; None allocates
    one. ``meter(n)``, if given, is called after each op with its multiply-accumulates (element operations for pooling and
    softmax). ``kernel(name)`` gives the module of a kernel.

    Raises: ModelError (malformed), Unsupported (what the engine doesn't do, or too little memory).
    """

    def __init__(self, source, arena=None, meter=None, kernel=kernels.get):
        threshold = _threshold(4096)  # what stays must lie together, not behind what a full heap of garbage leaves
        try:
            # In two passes, of which each has its own modules: what the first leaves in memory is next to nothing, so that the
            # arena, and then all that stays, find the heap in one piece.
            with Borrowed("tflite.loader") as loader:
                self._info, at, self._places, plan = loader.survey(source)
            loader = None
            if arena is None:
                arena = bytearray(self._info.arena)
            elif len(arena) < self._info.arena:
                raise Unsupported("an arena of %d bytes where the model needs %d" % (len(arena), self._info.arena))
            self._runtime = Runtime(source, kernel, arena)
            with Borrowed("tflite.layers") as layers:
                self._steps = layers.load(self._runtime, at, plan)
        except MemoryError:
            raise NoMemory("too little memory for this model; inspect() says what it needs")
        finally:
            _threshold(threshold)
        self._meter = meter
        self.bind(arena)

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

    def reset(self):
        """Forget what the model keeps from one inference to the next, if it does: as after loading."""
        if self._runtime.memory:
            self._runtime.memory.reset()

    def invoke(self):
        """Run the model. Allocates nothing. Raises only what the source's ``readinto`` does, and then nothing was learned."""
        rt = self._runtime
        meter = self._meter
        for work, layer in self._steps:
            if work is not None:
                rt.enter(work)
            layer.run(rt)
            if meter and layer.macs:
                meter(layer.macs)
