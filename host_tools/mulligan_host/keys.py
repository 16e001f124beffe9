"""Signing keys: P-256, as PEM files. Private keys stay on the host; a device gets the public half in its key set."""

from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from mulligan.core import jws, keyset
from mulligan_host import files
from mulligan_host.errors import HostError

_MAX_PEM = 65536


class Signer:
    """A private key that signs manifests."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = raw_public(key.public_key())
        self.kid: str = keyset.key_id(self.public)

    @classmethod
    def generate(cls) -> Self:
        """Return a new key, in memory only."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    def sign(self, payload: bytes) -> bytes:
        """Return the compact JWS of ``payload``. Raises: FormatError if it is longer than a device takes."""
        signed = jws.signing_input(self.kid, payload)
        r, s = decode_dss_signature(self._key.sign(signed, ec.ECDSA(hashes.SHA256())))
        token: bytes = jws.assemble(signed, r.to_bytes(32, "big") + s.to_bytes(32, "big"))
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
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, encryption)
    files.write(path, private, mode=0o600, replace=False)
    public = key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    files.write(public_path, public)
    return Signer(key)


def load_signer(path: Path, passphrase: str | None = None) -> Signer:
    """Return the private key in the PEM file ``path``. Raises: HostError, OSError."""
    try:
        key = serialization.load_pem_private_key(files.read(path, _MAX_PEM), passphrase.encode() if passphrase else None)
    except TypeError as e:
        hint = "needs its passphrase" if not passphrase else "takes no passphrase"
        raise HostError(f"{path}: {hint}") from e
    except ValueError as e:
        raise HostError(f"{path}: not a private key in PEM, or the passphrase is wrong") from e
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise HostError(f"{path}: not a P-256 key; make one with: mulligan keys new")
    return Signer(key)


def load_public(path: Path) -> bytes:
    """Return the 64-byte public key x‖y in the PEM file ``path``. Raises: HostError, OSError."""
    try:
        key = serialization.load_pem_public_key(files.read(path, _MAX_PEM))
    except ValueError as e:
        raise HostError(f"{path}: not a public key in PEM; that is the .pub.pem beside the private one") from e
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise HostError(f"{path}: not a P-256 key; make one with: mulligan keys new")
    return raw_public(key)


def raw_public(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return x‖y of a public key."""
    numbers = key.public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
