"""Patches: how to make an artifact out of its base, or out of nothing, chunk by chunk. Bytes: docs/SPEC.md, "Patch".

A patch is a header, a table of chunks, and the chunks: each a raw deflate stream of segments that yields one chunk of the
new artifact. Chunks do not depend on each other, so a download resumes at any of them; the checksum in the table tells
which ones the slot already holds.
"""

import struct
from binascii import crc32
from collections import namedtuple
from hashlib import sha256

from .add8 import add8
from .errors import PatchError
from .inflate import Inflater

MAGIC = b"MPAT"
VERSION = 1
TIER_DEFLATE = 1
HEADER_SIZE = 84
TABLE_ENTRY = "<I4s"  # bytes of the chunk in the patch, check() of the chunk of the artifact
MIN_CHUNK_BITS = 12  # a chunk is a whole number of flash sectors
MAX_CHUNK_BITS = 15
_HEADER = "<4sBBBBII32s32sI"
_BUFFER = 512

# Segment kinds. Each segment: kind u8, length varint; COPY and ADD8 then the zigzag varint distance of their base offset from
# the end of the base range before; LITERAL and ADD8 then their bytes.
LITERAL = 0
COPY = 1
ADD8 = 2

# chunks: [(size in the patch, check of what it yields)]; base_size 0: needs no base.
Header = namedtuple("Header", ("chunk_bits", "base_size", "new_size", "base_sha256", "new_sha256", "chunks"))


def encode_header(header):
    """The header and chunk table as bytes."""
    table = b"".join([struct.pack(TABLE_ENTRY, size, expected) for size, expected in header.chunks])
    fields = (MAGIC, VERSION, TIER_DEFLATE, header.chunk_bits, 0, header.base_size, header.new_size)
    head = struct.pack(_HEADER, *(fields + (header.base_sha256, header.new_sha256, 0)))[:-4]
    return head + struct.pack("<I", crc32(table, crc32(head))) + table


def table_size(head, new_size):
    """How many bytes of chunk table follow these HEADER_SIZE bytes, for an artifact of ``new_size``. Raises: PatchError."""
    magic, version, tier, bits, flags, _, size, _, _, _ = struct.unpack(_HEADER, head)
    if magic != MAGIC:
        raise PatchError("patch: not a patch")
    if version != VERSION or tier != TIER_DEFLATE or flags:
        raise PatchError("patch: version {}, tier {} is not known here".format(version, tier))
    if not MIN_CHUNK_BITS <= bits <= MAX_CHUNK_BITS or not size:
        raise PatchError("patch: bad chunk size")
    if size != new_size:
        raise PatchError("patch: yields {} bytes, {} expected".format(size, new_size))
    return 8 * _count(size, bits)


def decode_header(head, table):
    """The Header of these HEADER_SIZE bytes and their chunk table. Raises: PatchError."""
    _, _, _, bits, _, base_size, new_size, base_sha256, new_sha256, crc = struct.unpack(_HEADER, head)
    if crc != crc32(table, crc32(bytes(head[: HEADER_SIZE - 4]))):
        raise PatchError("patch: header checksum does not match")
    chunks = [struct.unpack_from(TABLE_ENTRY, table, at) for at in range(0, len(table), 8)]
    if len(chunks) != _count(new_size, bits) or any(size > max_chunk(bits) for size, _ in chunks):
        raise PatchError("patch: bad chunk table")
    return Header(bits, base_size, new_size, base_sha256, new_sha256, chunks)


def max_chunk(bits):
    """The most bytes that a chunk of 2**bits may take in a patch: stored blocks and segment headers included."""
    return (1 << bits) + (1 << bits >> 3)


def check(hasher):
    """What the chunk table says of a chunk whose bytes went into ``hasher`` (a SHA-256): the first 4 bytes of the digest.

    Not a CRC-32: an artifact may hold bytes followed by their own CRC-32, and whatever such bytes are, a CRC-32 over both is
    the same.
    """
    return hasher.digest()[:4]


def chunk_length(header, index):
    """How many bytes of the artifact chunk ``index`` yields."""
    return min(1 << header.chunk_bits, header.new_size - (index << header.chunk_bits))


def _count(size, bits):
    return (size + (1 << bits) - 1) >> bits


class Decoder:
    """Applies the chunks of ``header`` to ``base`` (readinto(offset, buf); unused where base_size is 0)."""

    def __init__(self, header, base):
        self._header = header
        self._base = base
        self._data = memoryview(bytearray(_BUFFER))
        self._old = memoryview(bytearray(_BUFFER))

    def chunk(self, index, stream, write):
        """Decode chunk ``index`` out of ``stream`` (BytesIO at its start) through ``write(buf)``, in order, whole.

        Raises: PatchError for a damaged chunk; what was written then is void.
        """
        left = chunk_length(self._header, index)
        expected = self._header.chunks[index][1]
        hasher = sha256()
        position = 0
        segments = Inflater(stream)
        while left:
            kind = segments.byte()
            length = segments.varint()
            if kind > ADD8 or not 0 < length <= left:
                raise PatchError("patch: bad segment")
            left -= length
            if kind != LITERAL:
                distance = segments.varint()
                position += distance >> 1 ^ -(distance & 1)
                if position < 0 or position + length > self._header.base_size:
                    raise PatchError("patch: segment outside of the base")
            while length:
                count = min(length, _BUFFER)
                data = self._data[:count]
                if kind == COPY:
                    self._base.readinto(position, data)
                else:
                    segments.readinto(data)
                if kind == ADD8:
                    self._base.readinto(position, self._old[:count])
                    add8(data, self._old, count)  # type: ignore[arg-type]
                hasher.update(data)
                write(data)
                length -= count
                if kind != LITERAL:
                    position += count
        if check(hasher) != expected:
            raise PatchError("patch: chunk {} does not yield what the table says".format(index))
