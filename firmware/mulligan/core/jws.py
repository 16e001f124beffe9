"""Compact JWS (RFC 7515) with ES256 (RFC 7518 section 3.4), and nothing else of JOSE."""

from hashlib import sha256

from . import base64url, p256, strictjson
from .errors import FormatError, SignatureError
from .limits import MAX_TOKEN

_MAX_HEADER = 160


def signing_input(kid, payload):
    """The bytes to sign for ``payload`` (bytes) under the key named ``kid``."""
    header = '{"alg":"ES256","kid":"' + kid + '"}'
    return (base64url.encode(header.encode()) + "." + base64url.encode(payload)).encode()


def assemble(signed, signature):
    """The token of a signing input and its 64-byte signature r‖s. Raises: FormatError if it is longer than MAX_TOKEN."""
    token = signed + b"." + base64url.encode(signature).encode()
    if len(token) > MAX_TOKEN:
        raise FormatError("JWS: {} characters, at most {} allowed".format(len(token), MAX_TOKEN))
    return token


def key_id(token):
    """The kid that the header of ``token`` (bytes) names, which holds exactly alg ES256 and a kid: no crit, jwk, jku, x5u, b64 or
    anything else. Nothing is verified. Raises: FormatError, SignatureError.
    """
    if len(token) > MAX_TOKEN:
        raise FormatError("JWS: {} characters, at most {} allowed".format(len(token), MAX_TOKEN))
    parts = bytes(token).split(b".")
    if len(parts) != 3:
        raise FormatError("JWS: not three parts")
    if len(parts[0]) > _MAX_HEADER:
        raise FormatError("JWS: header too long")
    header = strictjson.loads(_decode(parts[0]))
    if not isinstance(header, dict) or header.get("alg") != "ES256":
        raise SignatureError("JWS: alg is not ES256")
    kid = header.get("kid")
    if len(header) != 2 or not isinstance(kid, str):
        raise SignatureError("JWS: header is not exactly alg and kid")
    return kid


def verify(token, keys):
    """The payload (bytes) of ``token`` (bytes), signed by one of ``keys`` ({kid: 64-byte public key}).

    Of the content only the header is read before the signature is checked, and that within its own limit.
    Raises: FormatError, SignatureError.
    """
    key = keys.get(key_id(token))
    if key is None:
        raise SignatureError("JWS: signed by a key that is not pinned here")
    signed, _, signature = bytes(token).rpartition(b".")
    if not p256.verify(key, sha256(signed).digest(), _decode(signature)):
        raise SignatureError("JWS: the signature does not match")
    return _decode(signed.partition(b".")[2])


def _decode(part):
    try:
        return base64url.decode(part.decode())
    except (UnicodeError, ValueError):
        raise FormatError("JWS: not base64url")
