from hashlib import sha256

from common import raises
from core import shamir
from core.flash import Flash
from mulligan.core import keyset, p256, root
from mulligan.core.errors import FormatError
from mulligan.core.root import RELEASE, ROOT, Key
from mulligan.core.state import Sealed

HEAP = "128k"
PUBLIC = [shamir.public(private) for private in (1, 2, 3)]


def a_root(number, signed_by=0, threshold=1):
    """A packed root whose root keys are the first ``threshold``, with a signature in the name of the first, by ``signed_by``."""
    keys = [Key(public, ROOT) for public in PUBLIC[:threshold]] + [Key(PUBLIC[2], RELEASE)]
    body = root.encode(root.make(number, 0, 0, threshold, None, keys))
    return root.pack(body, {root.key_id(PUBLIC[0]): shamir.signed(signed_by + 1, root.signing_bytes(body))})


def partition(*contents):
    region = Flash(2)
    for slot, data in enumerate(contents):
        region.data[slot * 4096 : slot * 4096 + len(data)] = data
    return region


def seal(slot, data):
    return Sealed(slot, len(data), sha256(data).digest())


def never(public, digest, signature):
    raise AssertionError("nothing is to be verified where the seal holds")


def test_what_the_journal_names():
    older, newer = a_root(1), a_root(2)
    region = partition(newer, older)
    for slot, data, number in ((0, newer, 2), (1, older, 1)):
        found, sealed = keyset.trusted(region, seal(slot, data), never)
        assert (found.number, sealed) == (number, seal(slot, data))


def test_without_a_seal_a_root_proves_itself():
    older, newer = a_root(1), a_root(2)
    for contents, slot in (((newer, older), 0), ((older, newer), 1), ((older,), 0), ((b"", older), 1)):
        found, sealed = keyset.trusted(partition(*contents), None, p256.verify)
        assert sealed == seal(slot, contents[slot]) and found == root.unpack(contents[slot]).root


def test_a_slot_that_rots_leaves_the_other():
    older, newer = a_root(1), a_root(2)
    for at in (0, 5, 30, 100, len(newer) - 1):
        region = partition(older, newer)
        region.data[4096 + at] ^= 0x10
        found, sealed = keyset.trusted(region, seal(1, newer), p256.verify)
        assert found.number == 1 and sealed == seal(0, older)


def test_what_does_not_prove_itself_is_not_trusted():
    for none in (a_root(9, 1), a_root(9, 0, 2)):
        assert keyset.trusted(partition(a_root(1), none), None, p256.verify)[0].number == 1
        raises(FormatError, keyset.trusted, partition(none), None, p256.verify)
    raises(FormatError, keyset.trusted, partition(), None, p256.verify)
    for bad in (Sealed(2, 10, bytes(32)), Sealed(0, 5000, bytes(32)), Sealed(0, 0, bytes(32))):
        raises(FormatError, keyset.trusted, partition(), bad, p256.verify)
        assert keyset.trusted(partition(a_root(1)), bad, p256.verify)[0].number == 1


def test_slots_are_whole_sectors():
    region = Flash(1)
    for region.size, size in ((8192, 4096), (12288, 4096), (32768, 16384)):
        assert keyset.slot_size(region) == size
