"""Tables and hints as the host makes them: they work, and a wrong one of either kind lets nothing wrong through."""

import random
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from mulligan.core import p256, p256_comb
from mulligan.core.errors import FormatError
from mulligan_host import combs
from mulligan_host.keys import raw_public

WIDTHS = range(4, 9)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_table_and_a_hint(width: int) -> None:
    seed = random.Random(width)
    private = ec.derive_private_key(seed.randrange(1, 1 << 255), ec.SECP256R1())
    public = raw_public(private.public_key())
    table = combs.table(public, width)
    assert len(table) == p256_comb.table_size(width)
    key = p256.Key(public, table)
    p256.Key(public, memoryview(table), seal=key.seal())
    for _ in range(5):
        message = seed.randbytes(30)
        digest = sha256(message).digest()
        signature = p256.signature_from_der(private.sign(message, ec.ECDSA(hashes.SHA256())))
        hint = combs.hint(table, digest, signature)
        assert len(hint) == p256_comb.hint_size(width)
        wrong = bytearray(signature)
        wrong[seed.randrange(64)] ^= 1 << seed.randrange(8)
        damaged = bytearray(hint)
        damaged[seed.randrange(len(hint))] ^= 1 << seed.randrange(8)
        for each in (None, b"", hint, hint[:32], bytes(damaged), hint[:-1]):
            assert key.verify(digest, signature, each)
            assert not key.verify(digest, bytes(wrong), each)
            assert p256.Key(public, hint=each).verify(digest, signature)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_wrong_table_is_refused(width: int) -> None:
    seed = random.Random(width)
    public, other = (raw_public(ec.derive_private_key(d, ec.SECP256R1()).public_key()) for d in (77, 78))
    table = combs.table(public, width)
    seal = p256.Key(public, table).seal()
    bad = [combs.table(other, width), table[:-1], table + b"\0", b""]
    for _ in range(4):
        changed = bytearray(table)
        changed[seed.randrange(8, len(table))] ^= 1 << seed.randrange(8)
        bad.append(bytes(changed))
    for each in bad:
        with pytest.raises(FormatError):
            p256.Key(public, each)
        with pytest.raises(FormatError):
            p256.Key(public, each, seal=seal)
