"""The models that the app uses: confirmed ones only, swapped only between invocations."""

import gc

from .core import slot
from .core.errors import NotAvailable, Unsupported

_MIN_ARENA = 12288  # bytes, while the heap is in one piece: scratch and a small model, or a flash sector for the installer
MAX_ARENA = 1 << 17  # bytes: more than a stock ESP32 has in one piece


class Served:
    """A model in service: its engine, and how many hands hold it."""

    def __init__(self, engine, version, labels):
        self.engine = engine
        self.version = version
        self.labels = labels
        self.hands = 0


class Serving:
    """By name, the model in service.

    Models share one ``arena``, as only one inference runs at a time: so a version on trial costs no second one. Between
    inferences it is free, and the installer works in it too. ``engines`` is the engine module, ``meter`` is told of its work.
    """

    def __init__(self, engines, meter):
        self._engines = engines
        self._meter = meter
        self.arena = bytearray(_MIN_ARENA)
        self._served = {}

    def load(self, region, image):
        """(Header, Served) of the slot image in ``region`` that the journal calls ``image``; not in service yet.

        Raises: FormatError, ModelError, Unsupported, MemoryError.
        """
        head = bytearray(slot.HEADER_SIZE)
        region.readinto(0, head)
        header = slot.parse(head, image.length)
        if header.arena > MAX_ARENA:
            raise Unsupported("{} needs {} bytes of arena, at most {} here".format(header.name, header.arena, MAX_ARENA))
        if header.arena > len(self.arena):
            self._grow(header.arena)
        source = slot.Window(region, header.model_at, header.model_size)
        engine = self._engines.load(source, self.arena, self._meter)
        return header, Served(engine, image.version, slot.labels(header, region))

    def _grow(self, size):
        """A larger arena in place of the old one: both at a time would not fit the heap. Raises: MemoryError, nothing changed."""
        old = len(self.arena)
        for served in self._served.values():
            served.engine.bind(None)
        self.arena = None
        gc.collect()
        try:
            self.arena = bytearray(size)
        finally:
            if self.arena is None:
                self.arena = bytearray(old)
            for served in self._served.values():
                served.engine.bind(self.arena)

    def put(self, name, served):
        """Put a model into service in place of what had its name. The caller has checked that nobody holds that."""
        self._served[name] = served

    def drop(self, name):
        self._served.pop(name, None)

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

    def invoke(self, data):
        """The output for ``data``: a memoryview of int8, valid until the next inference or step. ``data``: the input as int8."""
        engine = self._served.engine
        engine.input(0)[:] = data
        engine.invoke()
        return engine.output(0)
