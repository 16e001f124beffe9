"""What the app uses: the models in service, swapped only between invocations, the config, and the checks that it brings."""

import gc

from .borrow import Borrowed
from .core.errors import NotAvailable, Unsupported
from .core.window import Window

_MIN_ARENA = 8192  # bytes, while the heap is in one piece: scratch and a small model, or a flash sector for the installer
MAX_ARENA = 1 << 17  # bytes: more than a stock ESP32 has in one piece


class Served:
    """A model in service: its engine, and how many hands hold it.

    ``shared``: bytes of the shared arena that it needs; ``exact``: whether the engine's arithmetic is that of golden outputs;
    ``shadow``: what is offered the app's inputs, or None; ``live``: what runs the app's inferences and watches them, or None.
    """

    def __init__(self, engine, version, labels, shared, exact):
        self.engine = engine
        self.version = version
        self.labels = labels
        self.shared = shared
        self.exact = exact
        self.hands = 0
        self.shadow = None
        self.live = None


class Serving:
    """By name, the model in service; ``config``: that in service, or None; ``checks`` and ``probes``: {name: the app's function};
    ``confirmed``:
    whether the app has called for the confirm.

    Models share one ``arena``, as only one inference runs at a time: so a version on trial costs no second one. ``engine``
    is the name of the engine to use, "" for the one that suits; ``meter`` is told of its work.
    """

    def __init__(self, meter):
        self.engine = ""
        self._meter = meter
        self.arena = bytearray(_MIN_ARENA)
        self._served = {}
        self.config = None
        self.checks = {}
        self.probes = {}
        self.confirmed = False

    def look(self, region, image):
        """(Header, labels, source of the model, engine module) of the slot image in ``region`` that the journal calls ``image``.

        Raises: FormatError, Unsupported, FlashError.
        """
        with Borrowed("core.slot") as slot:
            header, labels = slot.read(region, image.length)
        if header.arena > MAX_ARENA:
            raise Unsupported("{} needs {} bytes of arena, at most {} here".format(header.name, header.arena, MAX_ARENA))
        source = Window(region, header.model_at, header.model_size)
        with Borrowed("engines.native") as native:
            return header, labels, source, native.choose(self.engine, source, header)

    def load(self, region, image):
        """(Header, Served) of that slot image; not in service yet. Raises: FormatError, ModelError, FlashError, MemoryError."""
        header, labels, source, engine = self.look(region, image)
        shared = header.arena if engine.SHARED else 0
        self.reserve(shared)
        loaded = engine.load(source, self.arena, self._meter, header)
        return header, Served(loaded, image.version, labels, shared, engine.EXACT)

    def reserve(self, size):
        """Have ``size`` bytes of arena at least. Raises: MemoryError, nothing changed."""
        if size <= len(self.arena):
            return
        if self._served:
            # Beside the old one: once that were given back, its place might be gone, and no model could be served.
            gc.collect()
            self._bind(bytearray(size))
        else:
            self._replace(size)

    def trim(self):
        """Give back what arena the models in service do not need."""
        self._replace(max([_MIN_ARENA] + [served.shared for served in self._served.values()]))

    def _replace(self, size):
        """Another arena in the place of the old one: for a boot, when the heap is in one piece."""
        old = len(self.arena)
        self._bind(None)
        gc.collect()
        try:
            self._bind(bytearray(size))
        except MemoryError:
            self._bind(bytearray(old))
            raise

    def _bind(self, arena):
        self.arena = arena
        for served in self._served.values():
            served.engine.bind(arena)

    def put(self, name, served):
        """Put a model into service in place of what had its name, or none. The caller has checked that nobody holds that."""
        if served:
            self._served[name] = served
        else:
            self._served.pop(name, None)

    def served(self, name):
        """The Served of that name, or None."""
        return self._served.get(name)

    def shadow(self, name):
        """What a version on trial has seen of the live inputs of that name so far, as plain values, or None."""
        shadow = self._served[name].shadow if name in self._served else None
        return {"runs": shadow.runs, "agreed": shadow.agreed, "exact": shadow.exact} if shadow else None

    def busy(self, name):
        """True while the app is inside a ``with`` on this model."""
        return name in self._served and self._served[name].hands > 0

    def model(self, name):
        """The context manager that gives the app the model. Raises: NotAvailable where none of that name is in service."""
        if name not in self._served:
            raise NotAvailable("no confirmed model {} on this device".format(name))
        return Model(self._served[name])


class Model:
    """What ``with mulligan.model(name) as m`` gives: the same version until the block ends."""

    def __init__(self, served):
        self._served = served
        self.version = served.version
        self.labels = served.labels

    def __enter__(self):
        self._served.hands += 1
        return self

    def __exit__(self, kind, value, trace):
        self._served.hands -= 1

    def invoke(self, data, *more):
        """The first output, a memoryview of bytes, valid until the next inference or step; `output` has the others. ``data``,
        ``more``: the bytes of each input.
        """
        engine = self._served.engine
        engine.input(0)[:] = data
        for i in range(len(more)):
            engine.input(i + 1)[:] = more[i]
        if self._served.live:
            self._served.live.invoke(engine)
        else:
            engine.invoke()
        if self._served.shadow:
            self._served.shadow.offer((data,) + more, engine)
        return engine.output(0)

    def output(self, i):
        """Output ``i`` of the last inference, as `invoke` gives the first."""
        return self._served.engine.output(i)
