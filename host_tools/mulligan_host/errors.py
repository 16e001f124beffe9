"""Refusals that only the host can meet. They join the device's error tree, so one handler renders both."""

from mulligan.core.errors import MulliganError

__all__ = ["HostError", "MulliganError"]


class HostError(MulliganError):
    """A tool, a file or a setting of this machine that is missing or unusable. One line: what, where, what to do."""

    code = 100
