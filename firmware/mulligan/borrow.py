"""Modules that are needed now and then: imported for one use, then given back to the heap.

The device package as .mpy is about 100 KB of heap, on chips that have 100 to 160 KB. What judges a manifest, what installs a
patch and what loads a model are never needed at the same time, so each is in memory only while it works.

All this is for MicroPython. On CPython, where memory is not short, modules stay and nothing is collected: it would take most of
a host tool's time.
"""

import gc
import sys

_PACKAGE = "mulligan."
_KEPT = ("mulligan.core.entropy_viper", "mulligan.core.packets_viper", "mulligan.core.wide_viper")  # from their first use on
_KERNELS = "mulligan.tflite.kernels"  # holds machine code, whose memory a port never takes back
_CORE = "mulligan.core."
_TFLITE = "mulligan.tflite."
SHORT = sys.implementation.name == "micropython"  # of memory


def collect():
    """Collect garbage, so that what comes next and stays lies together."""
    if SHORT:
        gc.collect()


def forget(name):
    """Take a module out of memory, so that the next import makes it anew."""
    parent, _, attribute = name.rpartition(".")
    del sys.modules[name]
    if parent in sys.modules and hasattr(sys.modules[parent], attribute):
        delattr(sys.modules[parent], attribute)


class Borrowed:
    """``with Borrowed("install") as install:`` the module mulligan.install, forgotten at the end with all that it alone imported.

    That is what its import brought, and what of core/ and tflite/ was imported while it worked. What something still refers to
    stays as long as that does.
    """

    def __init__(self, name):
        self._name = _PACKAGE + name

    def __enter__(self):
        collect()
        self._before = set(sys.modules)
        try:
            __import__(self._name)
        finally:
            self._loaded = self._new()
        return sys.modules[self._name]

    def _new(self):
        return [name for name in sys.modules if name not in self._before and name not in _KEPT] if SHORT else []

    def __exit__(self, *error):
        late = [name for name in self._new() if name.startswith(_CORE) or name.startswith(_TFLITE)]  # noqa: PIE810
        for name in self._loaded + late:
            if name in sys.modules and not name.startswith(_KERNELS):
                forget(name)
        self._before = self._loaded = None
        collect()
