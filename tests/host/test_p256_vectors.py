"""P-256 verification against NIST's SigVer vectors and against two other implementations."""

import random
import re
from hashlib import sha256
from importlib.resources import files

import ecdsa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from ecdsa.util import sigdecode_string

from mulligan.core import p256, p256_curve
from mulligan_host.keys import raw_public


def test_nist_sigver() -> None:
    text = (files("cryptography_vectors") / "asymmetric/ECDSA/FIPS_186-3/SigVer.rsp").read_text()
    section = text.split("[P-256,SHA-256]")[1].split("[P-")[0]
    pattern = r"Msg = (\w+)\s+Qx = (\w+)\s+Qy = (\w+)\s+R = (\w+)\s+S = (\w+)\s+Result = (\w)"
    results = []
    for message, qx, qy, r, s, result in re.findall(pattern, section):
        key = bytes.fromhex(qx.zfill(64) + qy.zfill(64))
        signature = bytes.fromhex(r.zfill(64) + s.zfill(64))
        assert p256.verify(key, sha256(bytes.fromhex(message)).digest(), signature) == (result == "P")
        results.append(result)
    assert len(results) == 15
    assert set(results) == {"P", "F"}


def test_as_cryptography_signs_and_as_ecdsa_verifies() -> None:
    seed = random.Random(20)
    for _ in range(60):
        private = ec.derive_private_key(seed.randrange(1, p256_curve.N), ec.SECP256R1())
        public = raw_public(private.public_key())
        message = seed.randbytes(seed.randrange(200))
        r, s = decode_dss_signature(private.sign(message, ec.ECDSA(hashes.SHA256())))
        signature = bytearray(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        digest = sha256(message).digest()
        assert p256.verify(public, digest, signature)
        signature[seed.randrange(64)] ^= 1 << seed.randrange(8)
        other = ecdsa.VerifyingKey.from_string(public, ecdsa.NIST256p)
        try:
            expected = other.verify_digest(bytes(signature), digest, sigdecode=sigdecode_string)
        except ecdsa.BadSignatureError:
            expected = False
        assert p256.verify(public, digest, signature) == expected
