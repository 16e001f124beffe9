"""Modules that are needed now and then: imported for one use, then given back to the heap.

The device package as .mpy is about 100 KB of heap, on chips that have 100 to 160 KB. What judges a manifest, what installs a
patch and what loads a model are never needed at the same time, so each is in memory only while it works.
"""

import gc
import sys

ADMISSION = "mulligan.admission"
INSTALL = "mulligan.install"
LOADER = "mulligan.tflite.loader"
SECURE = "mulligan.port.secure"

# What holds machine code, whose memory a port never takes back, stays. It is imported from here, as each level of imports
# takes stack.
_RESIDENT = ("mulligan.core.add8", "mulligan.core.p256_field", "mulligan.tflite.interpreter")
_CORE = "mulligan.core."
_settled = []


def settle():
    """Import and forget each of these modules once, before anything else is in memory.

    The names that a module brings stay in memory for ever, wherever they first came to lie. Later they would lie between its
    code and cut the heap into pieces when that is given back; now, what comes next fills the gaps.
    """
    if not _settled:
        for name in _RESIDENT:
            __import__(name)
        for name in (ADMISSION, INSTALL, LOADER, SECURE):
            with Borrowed(name):
                _settled.append(name)


class Borrowed:
    """``with Borrowed(INSTALL) as install:`` the module, forgotten at the end with all that it alone imported.

    That is what its import brought, and what of core/ was imported while it worked.
    """

    def __init__(self, name):
        self._name = name
        self._kept = self._loaded = []

    def __enter__(self):
        gc.collect()
        before = set(sys.modules)
        self._kept = [name for name in before if name.startswith(_CORE)]
        try:
            __import__(self._name)
        finally:
            self._loaded = [name for name in sys.modules if name not in before]
        return sys.modules[self._name]

    def __exit__(self, kind, value, trace):
        late = [name for name in sys.modules if name.startswith(_CORE) and name not in self._kept and name not in self._loaded]
        for name in self._loaded + late:
            parent, _, attribute = name.rpartition(".")
            sys.modules.pop(name, None)
            if parent in sys.modules and hasattr(sys.modules[parent], attribute):
                delattr(sys.modules[parent], attribute)
        self._kept = self._loaded = []
        gc.collect()
