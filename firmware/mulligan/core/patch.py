"""Patches: how to make an artifact out of its base, or out of nothing. Bytes: docs/SPEC.md, "Patch".

A patch is a header, a table of chunks, and the chunks: each one stream of segments that yields one chunk of the new artifact
(see ``segments``). A coder starts anew with each chunk, so a download resumes at any of them; the check in the table tells
which ones the slot already holds.
"""

import struct
from binascii import crc32
from collections import namedtuple

from .errors import PatchError

MAGIC = b"MPAT"
VERSION = 3
TIER_DEFLATE = 1
TIER_RANGE = 2
HEADER_SIZE = 84
HEADER = "<4sBBBBII32s32sI"  # MAGIC, VERSION, what a Header has before its table, CRC-32 of all that and of the table
TABLE_ENTRY = "<I4s"  # bytes of the chunk in the patch, check() of the chunk of the artifact
ENTRY_SIZE = 8
MIN_CHUNK_BITS = 12  # a chunk is a whole number of flash sectors
MAX_CHUNK_BITS = 20
MAX_CHUNKS = 64  # so that a table takes half a KB, whatever the artifact

# rate: how fast the models of TIER_RANGE adapt, 0 for TIER_DEFLATE; base_size 0: needs no base; table: the bytes of the chunk
# table, of which size_in_patch() and check_of() read.
Header = namedtuple("Header", ("tier", "chunk_bits", "rate", "base_size", "new_size", "base_sha256", "new_sha256", "table"))


def table_size(head, new_size, new_sha256=None):
    """How many bytes of chunk table follow these HEADER_SIZE bytes of a patch that is to yield that artifact.

    Raises: PatchError.
    """
    magic, version, tier, bits, rate, _, size, _, digest, _ = struct.unpack(HEADER, head)
    if magic != MAGIC or version != VERSION:
        wrong = "not a patch that is known here"
    elif (rate and not 4 <= rate <= 7) or tier != (TIER_RANGE if rate else TIER_DEFLATE):
        wrong = "tier {}, rate {} is not known here".format(tier, rate)
    elif not MIN_CHUNK_BITS <= bits <= MAX_CHUNK_BITS or not 0 < size <= MAX_CHUNKS << bits:
        wrong = "bad chunk size"
    elif size != new_size or (new_sha256 or digest) != digest:
        wrong = "yields another artifact than the manifest names"
    else:
        return ENTRY_SIZE * _count(size, bits)
    raise PatchError("patch: " + wrong)


def decode_header(head, table):
    """The Header of these HEADER_SIZE bytes and their chunk table. Raises: PatchError."""
    _, _, tier, bits, rate, base_size, new_size, base_sha256, new_sha256, crc = struct.unpack(HEADER, head)
    header = Header(tier, bits, rate, base_size, new_size, base_sha256, new_sha256, table)
    fits = len(table) == ENTRY_SIZE * chunks(header) and crc == crc32(table, crc32(bytes(head[: HEADER_SIZE - 4])))
    if not fits or max([size_in_patch(header, index) for index in range(chunks(header))]) > max_chunk(bits):
        raise PatchError("patch: damaged header")
    return header


def chunks(header):
    """How many chunks there are."""
    return _count(header.new_size, header.chunk_bits)


def size_in_patch(header, index):
    """How many bytes chunk ``index`` takes in the patch."""
    return struct.unpack_from("<I", header.table, ENTRY_SIZE * index)[0]


def check_of(header, index):
    """What check() gives for the chunk ``index`` of the artifact."""
    return header.table[ENTRY_SIZE * index + 4 : ENTRY_SIZE * (index + 1)]


def start_of(header, index):
    """Where in the patch chunk ``index`` begins; for ``chunks(header)``, the size of the patch."""
    return HEADER_SIZE + len(header.table) + sum([size_in_patch(header, i) for i in range(index)])


def chunk_length(header, index):
    """How many bytes of the artifact chunk ``index`` yields."""
    return min(1 << header.chunk_bits, header.new_size - (index << header.chunk_bits))


def max_chunk(bits):
    """The most bytes that a chunk of 2**bits may take in a patch."""
    return (1 << bits) + (1 << bits >> 3)


def check(hasher):
    """What the chunk table says of a chunk whose bytes went into ``hasher`` (a SHA-256): the first 4 bytes of the digest.

    Not a CRC-32: an artifact may hold bytes followed by their own CRC-32, and whatever such bytes are, a CRC-32 over both is
    the same.
    """
    return hasher.digest()[:4]


def _count(size, bits):
    return (size + (1 << bits) - 1) >> bits
