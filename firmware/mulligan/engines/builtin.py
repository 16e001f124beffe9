"""The engine that every firmware has: Mulligan's own interpreter. Weights are read from flash; tables take some heap."""

from ..borrow import Borrowed
from ..core.errors import Unsupported
from ..tflite.interpreter import Interpreter

EXACT = True
SHARED = True


def check(source, header):
    """See `mulligan.engines`."""
    with Borrowed("tflite.loader") as loader:
        needs = loader.inspect(source).arena
    if needs > header.arena:
        raise Unsupported("{} bytes of arena needed, the slot image says {}".format(needs, header.arena))


def load(source, arena=None, meter=None, header=None):
    """See `mulligan.engines`."""
    return Interpreter(source, arena, meter)
