"""The part of the error tree that running a model takes. `errors` has all of it."""


class MulliganError(Exception):
    """Base of every error this package raises on purpose. ``code`` is stable, ``str()`` is one line."""

    code = 1


class ModelError(MulliganError):
    """A model file that is malformed."""

    code = 70


class Unsupported(ModelError):
    """A well-formed model that needs an op, a type or memory that this engine does not have."""

    code = 71


class NoMemory(Unsupported):
    """A model that needs more memory than the heap has in one piece now."""

    code = 72
