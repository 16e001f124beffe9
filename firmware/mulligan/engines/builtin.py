"""The engine that every firmware has: Mulligan's own interpreter."""

from ..borrow import LOADER, Borrowed
from ..tflite.interpreter import Interpreter


def load(source, arena=None, meter=None):
    """See `mulligan.engines`."""
    with Borrowed(LOADER):
        return Interpreter(source, arena, meter)
