"""Patches as files: read their headers, apply them by the decoder that runs on the device."""

from collections.abc import Callable
from hashlib import sha256

from mulligan.core import chunks, patch, segments
from mulligan.core.errors import PatchError
from mulligan_host.models.source import ByteSource


class Target:
    """The slot that a decoder writes to: what it yields, in order, readable as far as it came."""

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)
        self.size = size
        self._at = 0

    def readinto(self, offset: int, buf: memoryview | bytearray) -> None:
        buf[:] = self.data[offset : offset + len(buf)]

    def write(self, buf: bytearray | memoryview) -> None:
        self.data[self._at : self._at + len(buf)] = buf
        self._at += len(buf)


class Body:
    """Bytes that are read once, in order, as a download is."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def readinto(self, buf: memoryview) -> None:
        """Fill all of ``buf``. Raises: PatchError where there is less."""
        piece = self._data[self.at : self.at + len(buf)]
        if len(piece) != len(buf):
            raise PatchError("patch: truncated")
        buf[:] = piece
        self.at += len(piece)


def read_header(data: bytes) -> patch.Header:
    """Return the header of the patch ``data``. Raises: PatchError."""
    if len(data) < chunks.HEADER_SIZE:
        raise PatchError("patch: truncated")
    head = data[: chunks.HEADER_SIZE]
    size = patch.table_size(head, int.from_bytes(head[12:16], "little"))
    table = data[chunks.HEADER_SIZE : chunks.HEADER_SIZE + size]
    if len(table) != size:
        raise PatchError("patch: truncated")
    header: patch.Header = patch.decode_header(head, table)
    return header


def apply(base: bytes, data: bytes, make_decoder: Callable[..., segments.Decoder] = segments.Decoder) -> bytes:
    """Return what the patch ``data`` makes of ``base``, by the device's own decoder. Raises: PatchError."""
    header = read_header(data)
    if header.base_size and (len(base) != header.base_size or sha256(base).digest() != header.base_sha256):
        raise PatchError(f"patch: against another base than this one of {len(base)} bytes")
    excess = len(data) - chunks.start_of(header, chunks.count_of(header))
    if excess:
        raise PatchError(f"patch: {excess} bytes after its end" if excess > 0 else "patch: truncated")
    target = Target(header.new_size)
    decoder = make_decoder(header, ByteSource(base), target)
    body = Body(data)
    body.at = chunks.start_of(header, 0)
    for index in range(chunks.count_of(header)):
        for _ in decoder.chunk(index, body, target.write):
            pass
    if sha256(target.data).digest() != header.new_sha256:
        raise PatchError("patch: yields another artifact than it promises")
    return bytes(target.data)
