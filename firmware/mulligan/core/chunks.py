"""Chunks of a patch: where each is, and of what artifact. Bytes: docs/SPEC.md, "Patch".

header: a ``patch.Header``. This is needed as long as something is decoded, ``patch`` only before.
"""

import struct

HEADER_SIZE = 84  # what a patch begins with; then the table; then the chunks
ENTRY_SIZE = 8


def count(size, bits):
    """How many chunks of 2**bits an artifact of ``size`` bytes has."""
    return (size + (1 << bits) - 1) >> bits


def count_of(header):
    """How many chunks there are."""
    return count(header.new_size, header.chunk_bits)


def size_in_patch(header, index):
    """How many bytes chunk ``index`` takes in the patch."""
    return struct.unpack_from("<I", header.table, ENTRY_SIZE * index)[0]


def check_of(header, index):
    """What check() gives for the chunk ``index`` of the artifact."""
    return header.table[ENTRY_SIZE * index + 4 : ENTRY_SIZE * (index + 1)]


def start_of(header, index):
    """Where in the patch chunk ``index`` begins; for ``count_of(header)``, the size of the patch."""
    return HEADER_SIZE + len(header.table) + sum([size_in_patch(header, i) for i in range(index)])


def length(header, index):
    """How many bytes of the artifact chunk ``index`` yields."""
    return min(1 << header.chunk_bits, header.new_size - (index << header.chunk_bits))


def check(hasher):
    """What the chunk table says of a chunk whose bytes went into ``hasher`` (a SHA-256): the first 4 bytes of the digest.

    Not a CRC-32: an artifact may hold bytes followed by their own CRC-32, and whatever such bytes are, a CRC-32 over both is
    the same.
    """
    return hasher.digest()[:4]
