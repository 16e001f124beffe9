"""Modules that are needed now and then: imported for one use, then given back to the heap.

The device package as .mpy is about 100 KB of heap, on chips that have 100 to 160 KB. What judges a manifest, what installs a
patch and what loads a model are never needed at the same time, so each is in memory only while it works.
"""

import gc
import sys

ADMISSION = "mulligan.admission"
BOOTCHOOSER = "mulligan.core.bootchooser"
CONFIG = "mulligan.config"
INSTALL = "mulligan.install"
ROTATION = "mulligan.rotation"
SIGNATURE = "mulligan.signature"
LOADER = "mulligan.tflite.loader"
LAYERS = "mulligan.tflite.layers"
SECURE = "mulligan.port.secure"

# What holds machine code, whose memory a port never takes back, stays. It is imported from here, as each level of imports
# takes stack.
_RESIDENT = ("mulligan.core.add8", "mulligan.core.p256_field", "mulligan.tflite.interpreter")
_KERNELS = "mulligan.tflite.kernels"
# Of a convolutional model; other kernels and families come with the first model that wants them.
_USUAL = "int8 gemm depthwise pool softmax"
_FAMILIES = "conv depthwise dense pool softmax reshape"
_CORE = "mulligan.core."
_TFLITE = "mulligan.tflite."
_settled = []


def settle():
    """Import and forget each of these modules once, before anything else is in memory.

    The names that a module brings stay in memory for ever, wherever they first came to lie. Later they would lie between its
    code and cut the heap into pieces when that is given back; now, what comes next fills the gaps.
    """
    if not _settled:
        for name in _RESIDENT:
            __import__(name)
        for name in _USUAL.split():
            sys.modules[_KERNELS].get(name)
        for name in (BOOTCHOOSER, CONFIG, ADMISSION, ROTATION, SIGNATURE, INSTALL, LOADER, LAYERS, SECURE):
            with Borrowed(name) as module:
                _settled.append(name)
                if name == LOADER:
                    for family in _FAMILIES.split():
                        module.ops.family(family)


class Borrowed:
    """``with Borrowed(INSTALL) as install:`` the module, forgotten at the end with all that it alone imported.

    That is what its import brought, and what of core/ and tflite/ was imported while it worked.
    """

    def __init__(self, name):
        self._name = name

    def __enter__(self):
        gc.collect()
        self._before = set(sys.modules)
        try:
            __import__(self._name)
        finally:
            self._loaded = self._new()
        return sys.modules[self._name]

    def _new(self):
        return [name for name in sys.modules if name not in self._before]

    def __exit__(self, kind, value, trace):
        late = [name for name in self._new() if name.startswith(_CORE) or name.startswith(_TFLITE)]  # noqa: PIE810
        for name in self._loaded + late:
            if name in sys.modules and not name.startswith(_KERNELS):
                parent, _, attribute = name.rpartition(".")
                del sys.modules[name]
                if parent in sys.modules and hasattr(sys.modules[parent], attribute):
                    delattr(sys.modules[parent], attribute)
        self._before = self._loaded = None
        gc.collect()
