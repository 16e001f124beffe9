"""What tests of ``mulligan model`` share."""

from collections.abc import Callable

Command = Callable[..., str]
"""Runs the command line in this process; returns its stdout, or with ``code`` not 0 its one line of stderr."""
