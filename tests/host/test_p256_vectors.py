"""P-256 verification against NIST's SigVer vectors, cryptography and python-ecdsa, on CPython and on MicroPython, in every way:
without a table, with one of each width, with hints that are right, false and of other signatures.

``make fuzz`` verifies ``$FUZZ_EXAMPLES`` (20,000 if not set), half of them signatures and half mutations; ``make test`` 240.
"""

import os
import random
import re
import struct
import subprocess
from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import ecdsa
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from ecdsa.util import sigdecode_string

from core import p256_batch
from mulligan.core import p256
from mulligan.core.errors import SignatureError
from mulligan.core.p256_curve import N
from mulligan_host import combs
from mulligan_host.build import build_package
from mulligan_host.keys import raw_public
from mulligan_host.micropython import MicroPython

_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "240")) // 2
_WIDTHS = (4, 5, 6, 7, 8)
_SCRIPT = Path(p256_batch.__file__)

Case = tuple[int, bool, bytes, bytes, bytes, bytes]
"""As in p256_batch: key, good, digest, signature, hint, the public key where key is 255."""


def test_nist_sigver(tmp_path: Path, micropythons: list[MicroPython]) -> None:
    text = (files("cryptography_vectors") / "asymmetric/ECDSA/FIPS_186-3/SigVer.rsp").read_text()
    section = text.split("[P-256,SHA-256]")[1].split("[P-")[0]
    pattern = r"Msg = (\w+)\s+Qx = (\w+)\s+Qy = (\w+)\s+R = (\w+)\s+S = (\w+)\s+Result = (\w)"
    keys: list[bytes] = []
    cases: list[Case] = []
    for message, qx, qy, r, s, result in re.findall(pattern, section):
        digest, good = sha256(bytes.fromhex(message)).digest(), result == "P"
        public = bytes.fromhex(qx.zfill(64) + qy.zfill(64))
        signature = bytes.fromhex(r.zfill(64) + s.zfill(64))
        assert p256.verify(public, digest, signature) == good
        assert p256.signature_from_der(encode_dss_signature(int(r, 16), int(s, 16))) == signature
        cases.append((255, good, digest, signature, b"", public))
        if p256.public_point(public):
            table = combs.table(public, 5)
            keys.append(struct.pack("<64sH", public, len(table)) + table)
            cases.append((len(keys) - 1, good, digest, signature, combs.hint(table, digest, signature), b""))
    assert [case[1] for case in cases if case[0] == 255].count(True) == 3
    assert len(cases) > 25
    _check(tmp_path, micropythons, keys, cases)


@pytest.mark.fuzz
def test_as_cryptography_and_ecdsa_do(
    tmp_path: Path, micropythons: list[MicroPython], record_property: Callable[[str, int], None]
) -> None:
    seed = random.Random(20)
    signers = [ec.derive_private_key(seed.randrange(1, N), ec.SECP256R1()) for _ in _WIDTHS]
    publics = [raw_public(signer.public_key()) for signer in signers]
    tables = [combs.table(public, width) for public, width in zip(publics, _WIDTHS, strict=True)]
    keys = [struct.pack("<64sH", public, len(table)) + table for public, table in zip(publics, tables, strict=True)]
    cases = list(_cases(seed, signers, publics, tables))
    assert len(cases) == 2 * _EXAMPLES
    assert 0.4 < sum(good for _, good, *_ in cases) / len(cases) < 0.7
    _check(tmp_path, micropythons, keys, cases)
    record_property("signatures and their mutations, judged as cryptography and python-ecdsa do", len(cases))


def test_der_is_taken_exactly_where_it_is_the_one_encoding() -> None:
    """Against cryptography's encoder: what it would not write for the same two numbers is refused."""
    seed = random.Random(21)
    taken = 0
    for _ in range(20 * _EXAMPLES):
        r, s = (seed.getrandbits(seed.choice((1, 7, 8, 9, 248, 255, 256, 257, 264))) for _ in range(2))
        der = bytearray(encode_dss_signature(r, s))
        for _ in range(seed.randrange(3)):
            at = seed.randrange(min(len(der), 8) if seed.random() < 0.7 else len(der))
            der[at : at + seed.randrange(2)] = seed.choice((b"", b"\0", b"\x80", b"\x81", b"\x02", b"\xff", seed.randbytes(1)))
        try:
            signature = p256.signature_from_der(bytes(der))
        except SignatureError:
            try:
                numbers = decode_dss_signature(bytes(der))
            except ValueError:
                continue
            assert any(n < 0 or n >> 256 for n in numbers), der.hex()
        else:
            assert encode_dss_signature(*(int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))) == der
            taken += 1
    assert taken > 5 * _EXAMPLES


def _check(tmp_path: Path, ports: list[MicroPython], keys: list[bytes], cases: list[Case]) -> None:
    """Run all on CPython and on each port; every verification must say what the case says."""
    path = tmp_path / "batch"
    with path.open("wb") as file:
        file.write(bytes([len(keys)]) + b"".join(keys))
        for number, good, digest, signature, hint, public in cases:
            file.write(struct.pack("<BB32s64sH", number, good, digest, signature, len(hint)) + hint + public)
    done, wrong, by_slopes = p256_batch.run(path)
    assert wrong == 0
    assert done >= len(cases) * 1.25
    assert by_slopes >= len(cases) // 4
    for mp in ports:
        command = mp.command(_SCRIPT, build_package(mp), path, heap="1M")
        found = subprocess.run(command, capture_output=True, text=True)
        assert found.stdout.split() == [str(done), "0", str(by_slopes)], (mp.label, found.stdout, found.stderr)


def _cases(
    seed: random.Random, signers: list[ec.EllipticCurvePrivateKey], publics: list[bytes], tables: list[bytes]
) -> Iterator[Case]:
    hints = [b""] * len(signers)
    for _ in range(_EXAMPLES):
        number = seed.randrange(len(signers))
        digest = sha256(seed.randbytes(8)).digest()
        r, s = decode_dss_signature(signers[number].sign(digest, ec.ECDSA(Prehashed(hashes.SHA256()))))
        signature = _raw(r, s)
        right = combs.hint(tables[number], digest, signature)
        yield number, _agreed(publics[number], digest, signature), digest, signature, right, b""
        public, other_digest, changed = _mutated(seed, publics[number], digest, r, s)
        good = _agreed(public, other_digest, changed)
        damaged = bytearray(right)
        damaged[seed.randrange(len(right))] ^= 1 << seed.randrange(8)
        hint = seed.choice((right, right[:32], bytes(damaged), hints[number], b"", seed.randbytes(len(right)), right[:-32]))
        if good:  # a hint of its own would do: here it must do with any other
            hint = seed.choice((combs.hint(tables[number], other_digest, changed), hint))
        hints[number] = right
        if public == publics[number]:
            yield number, good, other_digest, changed, hint, b""
        else:
            yield 255, good, other_digest, changed, b"", public


def _mutated(seed: random.Random, public: bytes, digest: bytes, r: int, s: int) -> tuple[bytes, bytes, bytes]:
    def flipped(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[seed.randrange(len(data))] ^= 1 << seed.randrange(8)
        return bytes(changed)

    edge = seed.choice((0, 1, N - 1, N, N + 1, 2**256 - 1, 2**255))
    return seed.choice(
        (
            (public, digest, flipped(_raw(r, s))),
            (public, flipped(digest), _raw(r, s)),
            (flipped(public), digest, _raw(r, s)),
            (public[32:] + public[:32], digest, _raw(r, s)),
            (public, digest, _raw(r, N - s)),
            (public, digest, _raw(N - r, s)),
            (public, digest, _raw(s, r)),
            (public, digest, _raw(edge, s)),
            (public, digest, _raw(r, edge)),
            (public, digest, seed.randbytes(64)),
            (public, _raw(edge)[:32], _raw(r, s)),
        )
    )


def _raw(*numbers: int) -> bytes:
    return b"".join(n.to_bytes(32, "big") for n in numbers)


def _agreed(public: bytes, digest: bytes, signature: bytes) -> bool:
    """Return what cryptography and python-ecdsa both say."""
    r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\4" + public)
        key.verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(hashes.SHA256())))
        first = True
    except (ValueError, InvalidSignature):
        first = False
    try:
        other = ecdsa.VerifyingKey.from_string(public, ecdsa.NIST256p, valid_encodings=["raw"])
        second = other.verify_digest(signature, digest, sigdecode=sigdecode_string)
    except (ecdsa.errors.MalformedPointError, ecdsa.BadSignatureError):
        second = False
    assert first == second, (public.hex(), digest.hex(), signature.hex())
    return first
