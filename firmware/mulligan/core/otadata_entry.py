"""An entry of otadata, and what two of them say: as much of `otadata` as a device needs, which only reads it."""

from binascii import crc32
from collections import namedtuple
from struct import pack, unpack_from

from .errors import FormatError
from .esp_idf import ABORTED, ENTRY_SIZE, INVALID, NO_SEQ, PENDING

_FORMAT = "<I20sII"

Entry = namedtuple("Entry", ("seq", "label", "state", "crc"))


def decode(data):
    """The entry in the first 32 bytes of ``data``; whether it is valid is another question. Raises: FormatError if short."""
    if len(data) < ENTRY_SIZE:
        raise FormatError(f"otadata: an entry has {ENTRY_SIZE} bytes, got {len(data)}")
    return Entry(*unpack_from(_FORMAT, data))


def encode(entry):
    """The 32 bytes of ``entry``."""
    return pack(_FORMAT, *entry)


def crc(seq):
    """The checksum that an entry of sequence number ``seq`` carries: of the four bytes of ``seq`` and nothing else."""
    return crc32(pack("<I", seq), 0xFFFFFFFF) & 0xFFFFFFFF


def entry(seq, state, label=b"\xff" * 20):
    """An entry with a right crc."""
    return Entry(seq, label, state, crc(seq))


def slot(e, n):
    """The app slot that the entry ``e`` names, of ``n``."""
    return ((e.seq - 1) & 0xFFFFFFFF) % n


def is_invalid(e):
    """Blank, or condemned. Not the opposite of ``is_valid``: the crc is not looked at."""
    return e.seq == NO_SEQ or e.state in (INVALID, ABORTED)


def is_valid(e):
    return not is_invalid(e) and e.crc == crc(e.seq)


def active(entries):
    """The index of the valid entry with the highest sequence number (0 on a tie), or None."""
    first, second = entries
    if is_valid(first):
        return 1 if is_valid(second) and second.seq > first.seq else 0
    return 1 if is_valid(second) else None


def selected(entries, n):
    """The slot that otadata selects of ``n``, as ``Partition(BOOT)`` reports it: the image is not looked at. None: the default,
    which is the factory app where there is one, else the first slot."""
    i = active(entries)
    return None if i is None or n == 0 else slot(entries[i], n)


def is_pending(entries, n, running):
    """Whether the bootloader will abort the slot ``running`` of ``n`` at the next reset, as nobody has confirmed it."""
    i = active(entries)
    return i is not None and slot(entries[i], n) == running and entries[i].state == PENDING
