"""Compact JWS (RFC 7515) with ES256 (RFC 7518 section 3.4), and nothing else of JOSE."""

from hashlib import sha256

from . import base64url, p256, strictjson
from .errors import FormatError, SignatureError
from .limits import MAX_HINT, MAX_TOKEN

_MAX_HEADER = 160
_MARK = b"~"  # no character of base64url: between a token and the hint beside it


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


def beside(token, hint):
    """The content of a file: ``token``, and beside it a signer's hint of 32 bytes."""
    return token + _MARK + base64url.encode(hint).encode()


def split(data):
    """(token, hint) of what beside() gave, or of a token alone: hint is None where there is none, or what is there is none.

    Nothing depends on a hint but the time that a verification takes. Raises: FormatError for more than a file may hold.
    """
    if len(data) > MAX_TOKEN + MAX_HINT:
        raise FormatError("JWS: {} characters with its hint, at most {} allowed".format(len(data), MAX_TOKEN + MAX_HINT))
    token, mark, hint = bytes(data).partition(_MARK)
    try:
        return token, _decode(hint) if len(mark + hint) == MAX_HINT else None
    except FormatError:
        return token, None


def signature(token):
    """The signature (bytes) of ``token`` (bytes), unchecked. Raises: FormatError."""
    return _decode(bytes(token).rpartition(b".")[2])


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


def verify(token, keys, hint=None):
    """The payload (bytes) of ``token`` (bytes), signed by one of ``keys`` ({kid: 64-byte public key, or p256.Key}).

    Of the content only the header is read before the signature is checked, and that within its own limit.
    hint: as split() gave it. Raises: FormatError, SignatureError.
    """
    key = keys.get(key_id(token))
    if key is None:
        raise SignatureError("JWS: signed by a key that is not pinned here")
    signed = bytes(token).rpartition(b".")[0]
    if not p256.verify(key, sha256(signed).digest(), signature(token), hint):
        raise SignatureError("JWS: the signature does not match")
    return _decode(signed.partition(b".")[2])


def _decode(part):
    try:
        return base64url.decode(part.decode())
    except (UnicodeError, ValueError):
        raise FormatError("JWS: not base64url")
