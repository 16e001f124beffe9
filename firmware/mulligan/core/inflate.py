"""Raw deflate (RFC 1951) read as a stream: the firmware's own ``deflate`` on MicroPython, ``zlib`` on CPython."""

from .errors import PatchError

WINDOW_BITS = 10  # the patch format's window, 1 KB: all the memory a decoder on a small device has to give

MAX_OUTPUT = 1 << 17  # bytes that one stream may give

try:
    from deflate import RAW, DeflateIO

    def _open(stream):
        return DeflateIO(stream, RAW, WINDOW_BITS)

except ImportError:
    import zlib

    class _Inflated:
        """A stream inflated at once: it holds one chunk, which is small."""

        def __init__(self, stream):
            try:
                self._data = zlib.decompressobj(-WINDOW_BITS).decompress(stream.read(), MAX_OUTPUT)
            except zlib.error:
                raise PatchError("patch: damaged deflate stream")
            self._at = 0

        def readinto(self, buf):
            data = self._data[self._at : self._at + len(buf)]
            buf[: len(data)] = data
            self._at += len(data)
            return len(data)

    _open = _Inflated


class Inflater:
    """The bytes of a raw deflate ``stream`` (a BytesIO). Raises: PatchError where it ends early or is damaged."""

    def __init__(self, stream):
        self._stream = _open(stream)
        self._one = bytearray(1)

    def readinto(self, buf):
        """Fill all of ``buf``."""
        try:
            count = self._stream.readinto(buf)
        except (OSError, ValueError, EOFError):
            raise PatchError("patch: damaged deflate stream")
        if count != len(buf):
            raise PatchError("patch: deflate stream ends early")

    def byte(self):
        self.readinto(self._one)
        return self._one[0]

    def varint(self):
        """An unsigned LEB128 integer of at most 32 bits."""
        value = shift = 0
        while True:
            b = self.byte()
            value |= (b & 0x7F) << shift
            if not b & 0x80:
                return value
            shift += 7
            if shift > 28:
                raise PatchError("patch: integer too long")
