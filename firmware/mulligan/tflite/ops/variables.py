"""CALL_ONCE and VAR_HANDLE: nothing is left to run of them, `states` has done it."""

from .layer import Layer


def prepare(graph, op, at):
    """See `ops`."""
    return Layer(0)
