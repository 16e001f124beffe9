"""Engines run a model. Each is a module with one function:

``load(source, arena=None, meter=None)`` -> an engine, with ``input(i)`` (a writable memoryview of int8 bytes), ``invoke()``,
``output(i)`` (a memoryview of int8 bytes), ``bind(arena)`` (move to another arena, or with None let go of it) and
``describe()``. ``source`` has ``size`` and ``readinto(offset, buf)``; ``meter`` is called with the work of each op.
Raises: ModelError, Unsupported.
"""
