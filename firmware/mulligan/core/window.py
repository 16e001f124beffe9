"""A part of flash, or of anything else with readinto(offset, buf)."""

from .errors import FormatError


class Window:
    """``size`` bytes of ``source`` from ``start`` on, as a source of their own."""

    def __init__(self, source, start, size):
        self._source = source
        self._start = start
        self.size = size

    @property
    def label(self):
        """That of ``source``."""
        return self._source.label

    def readinto(self, offset, buf):
        if offset < 0 or offset + len(buf) > self.size:
            raise FormatError("read outside of the section")
        self._source.readinto(self._start + offset, buf)
