"""A model is loaded in four passes, of which each has its own modules in memory, and leaves nothing but `records` for the next:
`graph` reads the file, `ops` checks each operator, `plan` lays out the arena, and, called by `interpreter` when that is there,
`layers` loads what runs.
"""

from array import array

from ..borrow import SHORT, Borrowed, collect
from ..core.model_errors import NoMemory


def _pass(name, function, *arguments):
    with Borrowed("tflite." + name) as module:
        return getattr(module, function)(*arguments)


def survey(source):
    """The first three passes: (`interpreter.Info`, `plan.Plan`). Raises: ModelError, Unsupported, MemoryError."""
    if SHORT:
        # The names that a module brings stay for ever. They shall lie together, and not behind what a pass leaves.
        with Borrowed("tflite.names"):
            pass
    model = _pass("graph", "read", source)
    layers = _pass("ops", "layers", model)
    found = _pass("plan", "plan", model, layers, getattr(source, "view", None) is not None)
    model = layers = None
    collect()
    return anew(found)


def inspect(source):
    """The `interpreter.Info` of a model, nothing run and no arena allocated.

    ``source`` has ``size`` and ``readinto(offset, buf)``. Raises: ModelError, Unsupported.
    """
    try:
        return survey(source)[0]
    except MemoryError:
        raise NoMemory("too little memory even to look at this model")


def anew(found):
    """The same lists, tuples, arrays and numbers, made again where memory begins that the passes have given back, so that what
    comes next finds the rest in one piece.
    """
    if isinstance(found, array):
        return array("i", found)
    if not isinstance(found, (list, tuple)):
        return found
    made = [anew(one) for one in found]
    kind = type(found)
    return made if kind is list else tuple(made) if kind is tuple else kind(*made)
