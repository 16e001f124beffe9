"""The keys partition: two slots, in halves, and the root in them that this device goes by. Bytes: docs/SPEC.md, "Keys partition".

The journal names the slot that holds the trusted root, and the hash of its content. Where it names none, or the flash holds
something else there, a root still proves itself: it carries the signatures of its own threshold.
"""

from hashlib import sha256

from . import root
from .errors import FormatError
from .root import key_id as key_id
from .state import Sealed

SECTOR = 4096
SEAL = 32  # bytes that say of one table behind the root that it was computed again; a slot ends with one for each
MAX_FILE = 65536  # bytes of a root and its tables in a file; a device keeps what its slot has room for
_PIECE = 512


def slot_size(region):
    """Bytes of one slot of the keys partition ``region``."""
    return region.size // (2 * SECTOR) * SECTOR


def room(region):
    """Bytes of a slot for a root and the tables behind it."""
    return slot_size(region) - SEAL * root.MAX_KEYS


def digest(region, slot, length):
    """The SHA-256 of the first ``length`` bytes of a slot."""
    hasher = sha256()
    piece = memoryview(bytearray(_PIECE))
    at = slot * slot_size(region)
    while length:
        part = piece[: min(_PIECE, length)]
        region.readinto(at, part)
        hasher.update(part)
        at += len(part)
        length -= len(part)
    return hasher.digest()


def trusted(region, sealed, verify):
    """(Root, Sealed): what to go by in ``region`` (size, readinto(offset, buf)), where the journal's state says ``sealed``.

    The Sealed differs from ``sealed`` where that names nothing that the flash holds: then it is the root of the highest number
    among those that the threshold of their own keys has signed. verify: as p256.verify.
    Raises: FormatError where there is none.
    """
    if sealed and sealed.slot < 2 and sealed.length <= room(region):
        if digest(region, sealed.slot, sealed.length) == sealed.sha256:
            return _read(region, sealed.slot, sealed.length).root, sealed
    best = None
    for slot in (0, 1):
        try:
            signed = _read(region, slot, root.MAX_LENGTH)
        except FormatError:
            continue
        if (best is None or signed.root.number > best[0].number) and root.proves_itself(signed, verify):
            length = root.length(signed)
            best = signed.root, Sealed(slot, length, digest(region, slot, length))
    if best is None:
        raise FormatError("no root in the keys partition: set this board up anew")
    return best


def _read(region, slot, length):
    data = bytearray(min(length, slot_size(region)))
    region.readinto(slot * slot_size(region), data)
    return root.unpack(data)
