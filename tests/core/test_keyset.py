from common import raises
from core import shamir
from mulligan.core import keyset
from mulligan.core.errors import FormatError


def public(k):
    return shamir.raw(*shamir.multiple(k))


KEYS = [public(k) for k in (1, 2, 3)]


def test_round_trip():
    data = keyset.encode(KEYS)
    assert len(data) <= keyset.MAX_LENGTH
    assert keyset.decode(data + b"\xff" * 100) == {keyset.key_id(key): key for key in KEYS}
    assert keyset.decode(keyset.encode([])) == {}


def test_damage():
    data = keyset.encode(KEYS)
    for at in range(0, len(data), 3):
        bad = bytearray(data)
        bad[at] ^= 4
        raises(FormatError, keyset.decode, bad)
    for end in range(0, len(data), 7):
        raises(FormatError, keyset.decode, data[:end])
    raises(FormatError, keyset.decode, b"\xff" * 4096)


def test_what_is_no_key():
    raises(FormatError, keyset.decode, keyset.encode([bytes(64)]))
    raises(FormatError, keyset.encode, KEYS * 3)
