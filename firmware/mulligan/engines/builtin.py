"""The engine that every firmware has: Mulligan's own interpreter."""

from ..tflite.interpreter import Interpreter


def load(source, arena=None, meter=None):
    """See `mulligan.engines`."""
    return Interpreter(source, arena, meter)
