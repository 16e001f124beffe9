"""Keys in a PKCS#11 token: an HSM, a smart card, a USB key. The private key stays there; the token signs.

A key is named by a PKCS#11 URI (RFC 7512). The library behind it is python-pkcs11, which ``mulligan[pkcs11]`` installs.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mulligan_host import files
from mulligan_host.errors import HostError
from mulligan_host.keys import Ask, Signer, only_ours, p256_public

if TYPE_CHECKING:
    import pkcs11

SCHEME = "pkcs11:"
_OF_TOKEN = {"token": "label", "manufacturer": "manufacturer_id", "model": "model", "serial": "serial"}
_PATH = {*_OF_TOKEN, "object", "id", "type"}
_QUERY = {"module-path", "pin-source"}
_MAX_PIN = 1024


@dataclass(frozen=True)
class Uri:
    """A PKCS#11 URI: what its path says of token and key, and what its query says of the way there. Percent signs resolved."""

    name: str
    """The URI without its query."""
    path: dict[str, bytes]
    query: dict[str, bytes]


def parse(text: str) -> Uri:
    """Return the parts of a PKCS#11 URI. Raises: HostError for what is malformed, unknown, or would show a PIN."""
    path, question, query = text.removeprefix(SCHEME).partition("?")
    uri = Uri(SCHEME + path, _attributes(path, ";"), _attributes(query, "&"))
    if "pin-value" in uri.query or "pin-value" in uri.path:
        raise HostError("pin-value: a PIN on the command line is seen by others; use pin-source=file:PATH or $MULLIGAN_PIN")
    unknown = sorted(({*uri.path} - _PATH) | ({*uri.query} - _QUERY))
    if unknown or (question and not query):
        known = ", ".join(sorted(_PATH | _QUERY))
        raise HostError(f"{uri.name}: {', '.join(unknown) or 'an empty query'}: known are {known}")
    if uri.path.get("type", b"private") != b"private":
        raise HostError(f"{uri.name}: type is private, or left out: it is to sign")
    return uri


def open_signer(text: str, ask: Ask) -> Signer:
    """Return the signer that the PKCS#11 URI ``text`` names. The token is logged in to for each use, and no longer.

    The module is the URI's module-path, or ``$PKCS11_MODULE``; the PIN the file of pin-source, or ``ask``ed for.
    Raises: HostError.
    """
    uri = parse(text)
    if find_spec("pkcs11") is None:
        raise HostError(f"{uri.name}: needs python-pkcs11; install it with: pip install 'mulligan[pkcs11]'")
    pins: list[str] = []

    def pin() -> str:
        if not pins:
            pins.append(_pin(uri, ask))
        return pins[0]

    def raw(message: bytes) -> bytes:
        from pkcs11 import Mechanism

        with _session(uri, pin) as session:
            # CKM_ECDSA signs a digest, and every token knows it.
            signed: bytes = _private(uri, session).sign(sha256(message).digest(), mechanism=Mechanism.ECDSA)
            return signed

    with _session(uri, pin) as session:
        public = _public(uri, session, _private(uri, session))
    return Signer(uri.name, public, raw)


def _attributes(text: str, separator: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in text.split(separator) if text else []:
        match = re.fullmatch(r"([a-z-]+)=((?:[^%]|%[0-9A-Fa-f]{2})*)", part)
        if match is None or match[1] in found:
            raise HostError(f"{SCHEME} URI: {part.partition('=')[0]!r}: not name=value, or there twice (RFC 7512)")
        found[match[1]] = unquote_to_bytes(match[2])
    return found


def _pin(uri: Uri, ask: Ask) -> str:
    source = os.fsdecode(uri.query.get("pin-source", b""))
    if not source:
        return ask("MULLIGAN_PIN", f"PIN for {uri.name}")
    if not source.removeprefix("file:").startswith("/"):
        raise HostError(f"{uri.name}: pin-source is file: and an absolute path, nothing else")
    path = Path(source.removeprefix("file:"))
    only_ours(path, "PIN")
    return files.read(path, _MAX_PIN).decode(errors="replace").rstrip("\n")


@contextmanager
def _session(uri: Uri, pin: Callable[[], str]) -> "Iterator[pkcs11.Session]":
    """A session with the one token that the URI names, logged in where the token asks for it. Raises: HostError."""
    import pkcs11
    from pkcs11 import PKCS11Error, TokenFlag

    module = os.fsdecode(uri.query.get("module-path", b"")) or os.environ.get("PKCS11_MODULE", "")
    if not module:
        raise HostError(f"{uri.name}: which PKCS#11 module? Add ?module-path=/path/to/the.so, or set $PKCS11_MODULE")
    try:
        tokens = [slot.get_token() for slot in pkcs11.lib(module).get_slots(token_present=True)]
        tokens = [token for token in tokens if all(_same(token, name, uri.path[name]) for name in _OF_TOKEN if name in uri.path)]
        if len(tokens) != 1:
            raise HostError(f"{uri.name}: {len(tokens)} tokens match, one must: name it by token, serial, model or manufacturer")
        (token,) = tokens
        login: object = None
        if TokenFlag.PROTECTED_AUTHENTICATION_PATH in token.flags:
            login = pkcs11.PROTECTED_AUTH
        elif TokenFlag.LOGIN_REQUIRED in token.flags:
            login = pin()
        with token.open(user_pin=login) as session:
            yield session
    except PKCS11Error as e:
        said = " ".join(str(e).split()) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(e).__name__).lower()
        raise HostError(f"{uri.name}: {said} (module {module})") from e


def _same(token: "pkcs11.Token", name: str, wanted: bytes) -> bool:
    found = getattr(token, _OF_TOKEN[name])
    return (found if isinstance(found, bytes) else str(found).encode()).rstrip(b" \0") == wanted


def _private(uri: Uri, session: "pkcs11.Session") -> Any:
    from pkcs11 import Attribute, KeyType, ObjectClass, SignMixin

    wanted: dict[Attribute, object] = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.KEY_TYPE: KeyType.EC}
    if "object" in uri.path:
        wanted[Attribute.LABEL] = uri.path["object"].decode(errors="replace")
    if "id" in uri.path:
        wanted[Attribute.ID] = uri.path["id"]
    found = list(session.get_objects(wanted))
    if len(found) != 1:
        raise HostError(f"{uri.name}: {len(found)} elliptic-curve private keys match, one must: name it by object or id")
    if not isinstance(found[0], SignMixin):
        raise HostError(f"{uri.name}: the token does not let this key sign")
    return found[0]


def _public(uri: Uri, session: "pkcs11.Session", private: Any) -> bytes:
    """x‖y of the public key or the certificate that lies beside ``private``, by its id, or by its label where it has no id."""
    from pkcs11 import Attribute, ObjectClass
    from pkcs11.util.ec import encode_ec_public_key

    beside = {Attribute.ID: private.id} if private.id else {Attribute.LABEL: private.label}
    public: Any
    for public in list(session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, **beside})):
        return p256_public(uri.name, load_der_public_key(encode_ec_public_key(public)))
    for certificate in list(session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE, **beside})):
        return p256_public(uri.name, x509.load_der_x509_certificate(certificate[Attribute.VALUE]).public_key())
    raise HostError(f"{uri.name}: the token has neither the public key nor a certificate of the same id; put it there")
