"""Engines run a model. Each is a module here, loaded only where it is used:

``load(source, arena, meter=None, header=None)`` -> an engine: ``input(i)`` (a writable memoryview of bytes), ``invoke()``,
``output(i)`` (a memoryview of bytes), both of which raise IndexError where the model has no such one, ``bind(arena)`` (work in
another arena, or with None in none), ``reset()`` (forget what the model keeps from one inference to the next) and ``describe()``
(what the model takes: ``arena`` at least, in bytes). Raises: ModelError, Unsupported, MemoryError.
``check(source, header)`` raises the same for a model that `load` would refuse, without loading it.
``EXACT``: whether its arithmetic is the one that golden outputs are made with (`slot.DOUBLE_ROUNDING`).
``SHARED``: whether it works in the arena that it is given; the others have memory of their own.

``source`` has ``size`` and ``readinto(offset, buf)``; ``meter`` is called with the work of each op; ``header`` is the Header of
the slot image.
"""

NAMES = ("builtin", "microlite", "openmv", "emlearn")
