"""Comb tables of a root's keys: behind it in its file, and in its slot. Bytes: docs/SPEC.md, "Tables of keys".

Nobody has signed them. Before a table is used for the first time a device computes it again, and notes what came out of it in the
same slot: the table's seal, or zeros. Without one that may be used, a signature is verified by the key alone.
"""

import struct

from . import keyset, p256_comb
from .errors import FlashError, FormatError
from .p256 import Key
from .root import MAX_KEYS
from .window import Window

HEAD = "<6s4sBB"  # key id, then the table: its magic, version, width
KID = 6
REFUSED = bytes(keyset.SEAL)


def pack(kid, table):
    """The bytes of ``table`` as that of the key ``kid``."""
    return bytes.fromhex(kid) + table


def entries(readinto, at, end):
    """A generator of (kid, offset of its table, bytes of it), from offset ``at`` on, until there is none that ends by ``end``."""
    head = bytearray(KID + 6)
    for _ in range(MAX_KEYS):
        if at + len(head) > end:
            return
        readinto(at, head)
        kid, magic, version, width = struct.unpack_from(HEAD, head, 0)
        known = magic == p256_comb.MAGIC and version == p256_comb.VERSION
        if not known or not p256_comb.MIN_WIDTH <= width <= p256_comb.MAX_WIDTH:
            return
        at += KID
        size = p256_comb.table_size(width)
        if at + size > end:
            return
        yield kid.hex(), at, size
        at += size


def pinned(region, sealed, kid, public, report):
    """A generator whose value is the key ``kid`` with its table, a p256.Key; without one that may be used ``public``, as given.

    region: the keys partition; sealed: the Sealed of the root that is trusted. A table that was never used is computed again,
    in a step of its own that takes as long as two verifications without; then its seal is programmed. One that is not
    exactly that of its key is reported, once. Raises: FlashError where the partition can't be read.
    """
    start = sealed.slot * keyset.slot_size(region)
    at = start + keyset.room(region)  # where its seal is
    for name, offset, size in entries(region.readinto, start + sealed.length, at):  # noqa: B007
        if name == kid:
            break
        at += keyset.SEAL
    else:
        return public
    found = bytearray(keyset.SEAL)
    region.readinto(at, found)
    if found == REFUSED:
        return public
    table = Window(region, offset, size)
    try:
        return Key(public, table, None, found)
    except FormatError:
        pass
    yield
    try:
        key = Key(public, table)
        seal = key.seal()
    except FormatError:
        seal = None
    except MemoryError:
        return public  # which takes less; another time, perhaps
    # Blank, or cut short, it can be made the right one. What can't is of a table that was right once, and is another now.
    if seal and all(have & bits == bits for have, bits in zip(found, seal)):
        _program(region, at, seal)  # cut: neither the seal nor zeros, and it is computed again
        return key
    _program(region, at, REFUSED)  # cut: the same
    report("table-refused", name=kid, reason="not that of this key, or damaged: its signatures are verified without")
    return public


def _program(region, at, data):
    try:
        region.program(at, data)
    except FlashError:
        pass  # the table is computed again the next time
