"""Modules that are needed now and then: imported for one use, then given back to the heap.

The device package as .mpy is about 100 KB of heap, on chips that have 100 to 160 KB. What judges a manifest, what installs a
patch and what loads a model are never needed at the same time, so each is in memory only while it works.
"""

import gc
import sys


class Borrowed:
    """``with Borrowed("mulligan.install") as install:`` the module, forgotten at the end with all that it alone imported."""

    def __init__(self, name):
        self._name = name
        self._loaded = []

    def __enter__(self):
        gc.collect()
        before = set(sys.modules)
        __import__(self._name)
        self._loaded = [name for name in sys.modules if name not in before]
        return sys.modules[self._name]

    def __exit__(self, kind, value, trace):
        for name in self._loaded:
            parent, _, attribute = name.rpartition(".")
            del sys.modules[name]
            if parent in sys.modules:
                delattr(sys.modules[parent], attribute)
        self._loaded = []
        gc.collect()
