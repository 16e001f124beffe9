"""A throwaway certificate authority, for the demo's server and for tests: it lives in memory, as long as whoever made it.

It issues what a TLS server shows to its clients, and what a client shows to a server that asks for it (RFC 5280).
"""

import ipaddress
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True)
class Identity:
    """What a server shows: its side of TLS, to be tuned before it serves, and the authority that clients of it trust."""

    context: ssl.SSLContext
    ca_der: bytes


class Authority:
    """A certificate authority with a key of its own. What it issues is valid for ``days``: from and to, counted from now."""

    def __init__(self, name: str = "Mulligan throwaway CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            self._builder(self._name, self._key.public_key(), (-3650, 3650), ca=True)
            .add_extension(_usage("key_cert_sign"), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.der: bytes = certificate.public_bytes(serialization.Encoding.DER)
        """What to trust: DER."""

    def server(self, names: Sequence[str] = LOOPBACK, days: tuple[float, float] = (-1, 7)) -> Identity:
        """Return the identity of a server that is called by any of ``names``, host names or addresses."""
        key, certificate = self._issue(names[0], ExtendedKeyUsageOID.SERVER_AUTH, days, names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(suffix=".pem") as pem:  # load_cert_chain reads files only; this one is ours alone
            form = serialization.PrivateFormat.PKCS8
            pem.write(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
            pem.write(certificate.public_bytes(serialization.Encoding.PEM))
            pem.flush()
            context.load_cert_chain(pem.name)
        return Identity(context, self.der)

    def client(self, name: str, days: tuple[float, float] = (-1, 7)) -> tuple[bytes, bytes]:
        """Return (certificate, private key) of the client ``name``, both DER."""
        key, certificate = self._issue(name, ExtendedKeyUsageOID.CLIENT_AUTH, days, ())
        der = serialization.Encoding.DER
        private = key.private_bytes(der, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return certificate.public_bytes(der), private

    def _issue(
        self, name: str, purpose: x509.ObjectIdentifier, days: tuple[float, float], names: Sequence[str]
    ) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key(), days, ca=False)
            .add_extension(_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(n) for n in names]), critical=False)
        return key, builder.sign(self._key, hashes.SHA256())

    def _builder(
        self, name: x509.Name, public_key: ec.EllipticCurvePublicKey, days: tuple[float, float], ca: bool
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=days[0]))
            .not_valid_after(now + timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        )


def _usage(*wanted: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in wanted for usage in _USAGES})


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
