"""Signing keys: P-256. Here: what signs, whatever holds its private key, and keys in PEM files.

A private key is in memory only while it signs, and in no message of an error. A device gets public keys only.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from mulligan.core import jws, keyset, p256
from mulligan.core.errors import SignatureError
from mulligan_host import files
from mulligan_host.errors import HostError

Ask = Callable[[str, str], str]
"""``ask(variable, what)`` returns the secret ``what``: the environment's ``variable``, or as typed. Raises: HostError."""

_MAX_PEM = 65536
_MAKE_ONE = "not a P-256 key; make one with: mulligan keys new"


class Signer:
    """One private key, wherever it is. ``raw(message)`` gives its ECDSA signature with SHA-256, in DER or as 64 bytes r‖s.

    ``name`` is what messages call it, ``public`` its public key, x‖y.
    """

    def __init__(self, name: str, public: bytes, raw: Callable[[bytes], bytes]) -> None:
        self.name = name
        self.public = public
        self.kid: str = keyset.key_id(public)
        self._raw = raw

    @classmethod
    def generate(cls) -> "Signer":
        """Return a new key, in memory only."""
        return _signer("a key in memory", ec.generate_private_key(ec.SECP256R1()))

    def signature(self, message: bytes) -> bytes:
        """Return r‖s, 64 bytes, for ``message``: nothing leaves here that the public key does not verify. Raises: HostError."""
        given = self._raw(message)
        try:
            signature: bytes = given if len(given) == 64 else p256.signature_from_der(given)
        except SignatureError as e:
            raise HostError(f"{self.name}: gave {len(given)} bytes that are neither r‖s nor DER: {e}") from e
        r, s = (int.from_bytes(signature[at : at + 32], "big") for at in (0, 32))
        try:
            public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + self.public)
            public.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as e:
            raise HostError(f"{self.name}: gave a signature that its public key, kid {self.kid}, does not verify") from e
        return signature

    def sign(self, payload: bytes) -> bytes:
        """Return the compact JWS of ``payload``. Raises: HostError; FormatError if it is longer than a device takes."""
        signed = jws.signing_input(self.kid, payload)
        token: bytes = jws.assemble(signed, self.signature(signed))
        return token


def create(path: Path, passphrase: str | None = None) -> Signer:
    """Make a key pair: the private half at ``path`` for its owner only, the public half beside it as ``….pub.pem``.

    Raises: HostError if either file is there already.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    public_path = path.with_suffix(".pub.pem")
    if public_path.exists():
        raise HostError(f"{public_path}: is there already; move it away first")
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    files.write(path, private, mode=0o600, replace=False)
    signer = _signer(str(path), key)
    files.write(public_path, public_pem(signer.public))
    return signer


def load_signer(path: Path, passphrase: str | None = None, ask: Ask | None = None) -> Signer:
    """Return the private key in the PEM file ``path``; where it is encrypted and no ``passphrase`` is given, ``ask`` for it.

    Raises: HostError, also for a file of ours that others may read or write; OSError.
    """
    data = files.read(path, _MAX_PEM)
    try:
        try:
            key = serialization.load_pem_private_key(data, passphrase.encode() if passphrase else None)
        except TypeError as e:
            if passphrase:
                raise HostError(f"{path}: takes no passphrase") from e
            if ask is None:
                raise HostError(f"{path}: needs its passphrase") from e
            key = serialization.load_pem_private_key(data, ask("MULLIGAN_PASSPHRASE", f"passphrase of {path}").encode())
    except ValueError as e:
        raise HostError(f"{path}: not a private key in PEM, or the passphrase is wrong") from e
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise HostError(f"{path}: {_MAKE_ONE}")
    only_ours(path, "private key")
    return _signer(str(path), key)


def load_public(path: Path) -> bytes:
    """Return the 64-byte public key x‖y in the PEM file ``path``. Raises: HostError, OSError."""
    try:
        key = serialization.load_pem_public_key(files.read(path, _MAX_PEM))
    except ValueError as e:
        raise HostError(f"{path}: not a public key in PEM; that is the .pub.pem beside the private one") from e
    return p256_public(str(path), key)


def p256_public(name: str, key: object) -> bytes:
    """Return x‖y of ``key``, if it is a public key of P-256. Raises: HostError, calling it ``name``."""
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise HostError(f"{name}: {_MAKE_ONE}")
    return raw_public(key)


def raw_public(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return x‖y of a public key."""
    numbers = key.public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def public_pem(public: bytes) -> bytes:
    """Return the PEM of a 64-byte public key."""
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + public)
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _signer(name: str, key: ec.EllipticCurvePrivateKey) -> Signer:
    return Signer(name, raw_public(key.public_key()), lambda message: key.sign(message, ec.ECDSA(hashes.SHA256())))


def only_ours(path: Path, what: str) -> None:
    """Refuse a secret of this user that others may read or write, as ssh does; of another's file, its owner decides."""
    status = path.stat()
    if stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid() and status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise HostError(f"{path}: others may use this {what} (mode {mode:04o}); if none has, chmod 600 {path}")
