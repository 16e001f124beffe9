"""A model is loaded in four passes, of which each has its own modules in memory, and leaves nothing but plain records for the
next: `graph` reads the file, `ops` checks each operator, `plan` lays out the arena, and, called by `interpreter` when that is
there, `layers` loads what runs.
"""

import sys
from array import array

from ..borrow import SHORT, Borrowed, collect
from ..core.model_errors import NoMemory


def _pass(name, function, *arguments):
    with Borrowed("tflite." + name) as module:
        return getattr(module, function)(*arguments)


def survey(source):
    """The first three passes: what `plan.plan` returns. Raises: ModelError, Unsupported, MemoryError."""
    if SHORT:
        _gather()
    found = _steps(source)
    if SHORT:
        _keep(found[1])
        collect()
        found = _new(found)
    return found


def _gather():
    """Bring what stays for ever into memory before anything else, so that it lies together, and not behind what a pass leaves:
    the names of the passes, those of their modules and files, and the place that these take in the dict of this package.
    """
    package = sys.modules["mulligan.tflite"]
    if hasattr(package, "names"):
        return  # done
    with Borrowed("tflite.names") as names:
        here = globals().get("__file__", "")
        found = []
        for path in names.MODULES.split():
            hasattr(package, here.replace("loader", path))  # makes a name of it
            hasattr(package, "mulligan.tflite." + path.replace("/__init__", "").replace("/", "."))
            if "/" not in path and not hasattr(package, path):
                setattr(package, path, None)
                found.append(path)
        for path in found:
            delattr(package, path)
    setattr(package, "names", None)  # noqa: B010  a mark


def _steps(source):
    # A function of its own: what the stack of one has held is not garbage before it returns.
    model = _pass("graph", "read", source)
    layers = _pass("ops", "layers", model)
    return _pass("plan", "plan", model, layers, getattr(source, "view", None) is not None)


def _keep(steps):
    """Move arrays to where memory begins that the passes have given back, so that what comes next finds the rest in one piece."""
    from uctypes import addressof

    for i in range(2 * len(steps)):
        i %= len(steps)
        collect()
        lower = array("i", steps[i])
        if addressof(lower) < addressof(steps[i]):
            steps[i] = lower


def inspect(source):
    """The `interpreter.Info` of a model, nothing run and no arena allocated.

    ``source`` has ``size`` and ``readinto(offset, buf)``. Raises: ModelError, Unsupported.
    """
    try:
        return survey(source)[0]
    except MemoryError:
        raise NoMemory("too little memory even to look at this model")


def _new(found):
    """The same lists, tuples and what they hold, made again for the same end."""
    if not isinstance(found, (list, tuple)):
        return found
    made = [_new(one) for one in found]
    kind = type(found)
    return made if kind is list else tuple(made) if kind is tuple else kind(*made)
