"""What a device shows to a server that asks who it is, checked before it goes onto a board."""

from collections.abc import Collection

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mulligan_host.errors import HostError
from mulligan_host.keys import raw_public


def check(certificate: bytes, key: bytes, signing: Collection[bytes]) -> None:
    """Refuse what TLS on a device could not use, and a private key of one of the public keys ``signing``, 64 bytes each.

    Raises: HostError where either is missing, is not DER, the two don't belong together, or the key is one that signs.
    """
    if not certificate or not key:
        raise HostError("a certificate of the board's own and the private key to it go together: give both")
    try:
        public = x509.load_der_x509_certificate(certificate).public_key()
    except ValueError as e:
        raise HostError("the board's own certificate is not one in DER; see openssl x509 -outform DER") from e
    try:
        private = serialization.load_der_private_key(key, None)
    except (TypeError, ValueError) as e:
        raise HostError("the board's own key is not one in DER, or has a passphrase; see openssl pkey -outform DER") from e
    own = private.public_key()
    if isinstance(own, ec.EllipticCurvePublicKey) and isinstance(own.curve, ec.SECP256R1) and raw_public(own) in signing:
        raise HostError("the board's own key is one that signs releases or roots: such a key never goes onto a device")
    if own != public:
        raise HostError("the board's own certificate is of another key than the one beside it")
