"""Patches: how to make an artifact out of its base, or out of nothing. Bytes: docs/SPEC.md, "Patch".

A patch is a header, a table of chunks, and the chunks: each one stream of segments that yields one chunk of the new artifact
(see ``chunks`` and ``segments``). A coder starts anew with each chunk, so a download resumes at any of them; the check in the
table tells which ones the slot already holds.
"""

import struct
from binascii import crc32
from collections import namedtuple

from . import chunks
from .errors import PatchError

MAGIC = b"MPAT"
VERSION = 4
TIER_DEFLATE = 1
TIER_RANGE = 2
HEADER = "<4sBBBBII32s32sI"  # MAGIC, VERSION, what a Header has before its table, CRC-32 of all that and of the table
TABLE_ENTRY = "<I4s"  # bytes of the chunk in the patch, check() of the chunk of the artifact
MIN_CHUNK_BITS = 12  # a chunk is a whole number of flash sectors
MAX_CHUNK_BITS = 20
MAX_CHUNKS = 64  # so that a table takes half a KB, whatever the artifact

# rate: how fast the models of TIER_RANGE adapt, 0 for TIER_DEFLATE; base_size 0: needs no base; table: the bytes of the chunk
# table, of which ``chunks`` reads.
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
        return chunks.ENTRY_SIZE * chunks.count(size, bits)
    raise PatchError("patch: " + wrong)


def decode_header(head, table):
    """The Header of these HEADER_SIZE bytes and their chunk table. Raises: PatchError."""
    _, _, tier, bits, rate, base_size, new_size, base_sha256, new_sha256, crc = struct.unpack(HEADER, head)
    header = Header(tier, bits, rate, base_size, new_size, base_sha256, new_sha256, table)
    count = chunks.count_of(header)
    fits = len(table) == chunks.ENTRY_SIZE * count and crc == crc32(table, crc32(bytes(head[: chunks.HEADER_SIZE - 4])))
    if not fits or max([chunks.size_in_patch(header, index) for index in range(count)]) > max_chunk(bits):
        raise PatchError("patch: damaged header")
    return header


def max_chunk(bits):
    """The most bytes that a chunk of 2**bits may take in a patch."""
    return (1 << bits) + (1 << bits >> 3)
