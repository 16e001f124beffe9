"""Where an installation goes on: at the first chunk that the slot does not hold, of a patch that can be applied here."""

from .core import chunks, patch
from .core.digest import digest_of
from .core.errors import WrongBase


def begin(body, target, base, size, digest):
    """A generator whose value is (patch.Header, index of the chunk to begin with). Each step reads the head, or 16 KB of flash.

    ``body`` gives the patch from its first byte on; the others are as ``install.Installer`` has them. Nothing is written.

    Raises: TransportError, PatchError, WrongBase, FlashError.
    """
    head = bytearray(chunks.HEADER_SIZE)
    body.readinto(head)
    table = bytearray(patch.table_size(head, size, digest))
    body.readinto(table)
    header = patch.decode_header(head, table)
    yield
    if header.base_size:
        if base is None or header.base_size > base.size:
            raise WrongBase("patch: needs a base, and there is none")
        found = yield from digest_of(base, header.base_size)
        if found != header.base_sha256:
            raise WrongBase("patch: against another base than the one in " + base.label)
    count = chunks.count_of(header)
    for index in range(count):
        found = yield from digest_of(target, chunks.length(header, index), index << header.chunk_bits)
        if found[:4] != chunks.check_of(header, index):
            return header, index
        yield
    return header, count
