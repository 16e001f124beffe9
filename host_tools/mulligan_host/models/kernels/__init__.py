"""The interpreter's kernels in NumPy: for tools that run models by the hundred.

Each module has the functions of the plain kernel of its name in `mulligan.tflite.kernels`, with the same arguments and the same
bytes; parser, planner, checks and steps are the device's own. A kernel that has no module here is the plain one.
"""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from mulligan.tflite import kernels as plain


def get(name: str) -> ModuleType:
    """Return the module of the kernel, as ``Interpreter(kernel=…)`` wants it."""
    path = f"{__name__}.{name}"
    return import_module(path if find_spec(path) else f"{plain.__name__}.{name}")
