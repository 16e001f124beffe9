"""The interpreter: a model that was checked and planned once is run as often as wanted, without allocating anything."""

import gc
from collections import namedtuple

from ..borrow import SHORT, Borrowed, collect
from ..core.model_errors import NoMemory, Unsupported
from . import kernels
from .limits import READ

#: One input or output: its shape, and value = scale * (byte - zero_point), the byte being an int8, or uint8, by ``type``
#: (TensorType); floats, 4 bytes little-endian, have a scale_bits of 0.
Port = namedtuple("Port", "shape scale_bits zero_point type")

#: What a model asks for. arena: bytes to work in, activations and behind them scratch; ops: operator codes in order; macs: work
#: of one inference; inputs, outputs: tuples of `Port`.
Info = namedtuple("Info", "arena ops macs inputs outputs")


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
        self.source = source
        self.view = getattr(source, "view", None)
        self.kernel = kernel
        self.memory = None  # what the model keeps from one inference to the next (`memory.Memory`)
        self.bound = []  # what works in the arena, and must know of another one
        self._meter = meter
        self._steps = ()
        # Named now, as a place for more attributes would come to lie behind what loading leaves.
        self.arena = self._info = self._places = self._inputs = self._outputs = None
        threshold = _threshold(4096)  # what stays must lie together, not behind what a full heap of garbage leaves
        try:
            with Borrowed("tflite.loader") as loader:
                self._info, steps, self._places, flips, states = loader.survey(source)
            loader = None
            if arena is not None and len(arena) < self._info.arena:
                raise Unsupported("an arena of %d bytes where the model needs %d" % (len(arena), self._info.arena))
            with Borrowed("tflite.layers") as layers:
                layers.kernels(self, steps)  # they stay, and go before the arena, as the module does
                collect()
                self.arena = bytearray(self._info.arena) if arena is None else arena
                self._steps = layers.load(self, steps, flips, states)
            layers = None
            self.bind(self.arena)
        except MemoryError:
            raise NoMemory("too little memory for this model; inspect() says what it needs")
        finally:
            _threshold(threshold)

    def bind(self, arena):
        """Work in another ``arena`` of at least `arena_size` bytes from now on; None: in none until the next bind."""
        self.arena = arena
        view = memoryview(arena or b"")
        self._inputs, self._outputs = [tuple([view[o : o + n] for o, n in ends]) for ends in self._places]
        for step in self._steps:
            _, _, _, work, data, size, chunk, views = step
            if size and self.view is None:
                step[7] = arena and _views(view, work, size, chunk)
            elif size and views is None:
                step[7] = [self.view[data + i : data + min(i + chunk, size)] for i in range(0, size, chunk)]
        for one in self.bound:
            one.bind(arena)

    @property
    def arena_size(self):
        """Bytes of arena that the model needs."""
        return self._info.arena

    @property
    def macs(self):
        """Multiply-accumulates (and element operations) of one inference."""
        return self._info.macs

    def describe(self):
        """The model's `interpreter.Info`."""
        return self._info

    def input(self, i=0):
        """A memoryview of input ``i``: int8 as two's complement bytes. To be filled before every `invoke`, which uses it up."""
        return self._inputs[i]

    def output(self, i=0):
        """A memoryview of output ``i``: int8 as two's complement bytes. Valid until an input is filled again."""
        return self._outputs[i]

    def reset(self):
        """Forget what the model keeps from one inference to the next, if it does: as after loading."""
        if self.memory:
            self.memory.reset()

    def invoke(self):
        """Run the model. Allocates nothing. Raises only what the source's ``readinto`` does, and then nothing was learned."""
        arena = self.arena
        streamed = self.view is None
        for kernel, p, macs, _, data, size, chunk, views in self._steps:
            at = 0
            if not size:
                kernel(arena, arena, 0, p)
            elif chunk < size:
                while at < size:
                    if streamed:
                        piece = views[size - at < chunk]
                        self.source.readinto(data + at, piece)
                    else:
                        piece = views[at // chunk]
                    kernel(arena, piece, at, p)
                    at += chunk
            else:
                if streamed:
                    while at < size:
                        at += READ
                        self.source.readinto(data + at - READ, views[at // READ])
                kernel(arena, views[0], 0, p)
            if macs and self._meter:
                self._meter(macs)


def _views(view, work, size, chunk):
    """What a step reads its constants into: for a call of the kernel with each ``chunk``, that and what is left for the last one;
    for a single call, all of it, and then the pieces in which it is read.
    """
    if chunk < size:
        return view[work : work + chunk], view[work : work + (size % chunk or chunk)]
    whole = view[work : work + size]
    if size <= READ:
        return whole, whole
    return [whole] + [view[work + i : work + min(i + READ, size)] for i in range(0, size, READ)]
