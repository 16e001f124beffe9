"""CALL_ONCE and VAR_HANDLE: nothing is left to run of them, `states` does it."""

from .layer import layer


def prepare(op, xs, ys):
    """See `ops`."""
    return layer(0, None, (), ())
