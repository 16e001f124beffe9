"""Which engine runs a model, and what those share that bring memory of their own. In memory only where one does."""

from collections import namedtuple

from ..core.errors import Unsupported

#: What describe() of an engine with memory of its own says: bytes of that.
Facts = namedtuple("Facts", "arena")

_TINYMAIX = b"MAIX"


def choose(name, source, header):
    """The engine module called ``name``, or for "" the one that suits the model and the firmware.

    That is emlearn's for a TinyMaix model; TFLite-Micro's where the firmware has it and the slot image says how much arena it
    needs; OpenMV's on its firmware; else the builtin one. The choice hangs on nothing that changes between two boots.
    """
    if not name:
        head = bytearray(4)
        source.readinto(0, head)
        if head == _TINYMAIX:
            name = "emlearn"
        elif header.native_arena and has("microlite"):
            name = "microlite"
        elif has("omv"):
            name = "openmv"
        else:
            name = "builtin"
    return __import__("mulligan.engines." + name, None, None, ("load",))


def has(module):
    """Whether the firmware has ``module``."""
    try:
        __import__(module)
    except ImportError:
        return False
    return True


def need(module, engine):
    """The firmware's ``module``. Raises: Unsupported."""
    try:
        return __import__(module)
    except ImportError:
        raise Unsupported("engine {}: this firmware has no module {}".format(engine, module))


def whole(source):
    """All of ``source`` in one bytearray. Raises: MemoryError."""
    data = bytearray(source.size)
    source.readinto(0, data)
    return data
