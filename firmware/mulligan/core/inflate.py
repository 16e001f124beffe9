"""Patch tier 1: what segments are made of, out of a raw deflate stream (RFC 1951) with a window of 1 KB."""

from io import BytesIO

from .errors import PatchError
from .kinds import COPY

try:
    from .blend_viper import add8, gather32
except (ImportError, SyntaxError, ValueError):  # CPython; no native emitter; .mpy of another architecture
    from .blend import add8, gather32

WINDOW_BITS = 10  # all the memory that a decoder on a small device has to give

#: While this many bytes of the stream, or all of it, are there, up to 256 bytes may be asked for.
AHEAD = 768

_INPUT = 1024  # AHEAD, and what one feed() adds
_DAMAGED = "patch: damaged stream"

try:
    from deflate import RAW, DeflateIO

    def _buffer():
        return BytesIO(_INPUT)  # of which MicroPython allocates so much at once

except ImportError:
    import zlib

    RAW = None  # type: ignore[misc]
    _buffer = BytesIO

    class DeflateIO:
        """The same on CPython. It reads byte by byte, as the firmware's does: no further than what was asked for needs."""

        def __init__(self, stream, _, window_bits):
            self._stream = stream
            self._inflater = zlib.decompressobj(-window_bits)

        def readinto(self, buf, count):
            at = 0
            while at < count:
                try:
                    piece = self._inflater.decompress(self._inflater.unconsumed_tail, count - at)
                    if not piece:
                        byte = self._stream.read(1)
                        if not byte or self._inflater.eof:
                            break
                        piece = self._inflater.decompress(byte, count - at)
                except zlib.error as e:
                    raise ValueError(str(e))
                buf[at : at + len(piece)] = piece
                at += len(piece)
            return at


class Inflated:
    """``scratch``: 256 bytes, free whenever feed() is called."""

    def __init__(self, scratch):
        self._scratch = memoryview(scratch)
        self._byte = bytearray(1)
        self._stream = _buffer()
        self._end = 0  # of the stream's bytes that are there
        self._inflater = None
        self.left = 0  # bytes of the chunk that were not read yet

    def begin(self, size):
        """A chunk of ``size`` bytes follows."""
        self._stream.seek(0)
        self._end = 0
        self._inflater = DeflateIO(self._stream, RAW, WINDOW_BITS)
        self.left = size

    def hungry(self):
        """Whether feed() must come first, before anything else is asked for."""
        return self.left and self._end - self._stream.tell() < AHEAD

    def held(self):
        """How many bytes were read and not used yet."""
        return self._end - self._stream.tell()

    def feed(self, source):
        """Read once from ``source``, at most 256 bytes."""
        stream, scratch = self._stream, self._scratch
        at = stream.tell()
        count = min(self.left, len(scratch))
        if self._end + count > _INPUT:
            to = 0
            while at < self._end:
                stream.seek(at)
                stream.readinto(scratch)
                stream.seek(to)
                stream.write(scratch)
                at += len(scratch)
                to += len(scratch)
            self._end += to - at
            at = 0
        piece = scratch[:count]
        source.readinto(piece)
        self.left -= count
        stream.seek(self._end)
        stream.write(piece)
        stream.seek(at)
        self._end += count

    def number(self, context):
        """An unsigned LEB128 integer of at most 32 bits. Raises: PatchError."""
        value = shift = 0
        while shift < 35:
            self._read(self._byte, 1)
            b = self._byte[0]
            value |= (b & 0x7F) << shift
            if b < 0x80:
                return value
            shift += 7
        raise PatchError(_DAMAGED)

    def bytes(self, kind, target, old, start, count, place):
        """Fill ``count`` bytes of ``target`` with what was read, added to ``old[start:]`` for a kind of the base; how many."""
        self._read(target, count)
        if kind >= COPY:
            add8(target, old, start, count)
        return count

    def words(self, target, scratch, count, which):
        """Add ``count`` differences to the words of ``target``; how many. ``scratch``: 4 bytes each."""
        self._read(scratch, 4 * count)
        gather32(target, scratch, count)
        return count

    def _read(self, buf, count):
        try:
            if self._inflater.readinto(buf, count) == count and self._stream.tell() <= self._end:
                return
        except (OSError, ValueError, EOFError):
            pass
        raise PatchError(_DAMAGED)
