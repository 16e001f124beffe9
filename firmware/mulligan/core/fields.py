"""The fields of a signed JSON document, each read with its type and its limits. Every function raises FormatError."""

from . import base64url
from .errors import FormatError

MAX_NAME = 15  # characters: a journal entry and a slot image hold 16 bytes
U32 = 0xFFFFFFFF


def elements(value, what, most):
    """``value``, a list of at most ``most`` elements."""
    if not isinstance(value, list) or len(value) > most:
        raise FormatError("{} is not a list of at most {}".format(what, most))
    return value


def integer(doc, key, low, high):
    value = doc.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise FormatError("{} is not an integer from {} to {}".format(key, low, high))
    return value


def text(doc, key, most):
    value = doc.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise FormatError("{} is not a string of 1 to {} characters".format(key, most))
    return value


def name(value, most=MAX_NAME):
    """``value``, printable ASCII without blanks."""
    if not isinstance(value, str) or not 0 < len(value) <= most or any(not 0x21 <= ord(c) < 0x7F for c in value):
        raise FormatError("a name is 1 to {} printable ASCII characters".format(most))
    return value


def hashed(doc, key):
    """The 32 bytes of a SHA-256 in base64url."""
    digest = base64url.decode(text(doc, key, 43))
    if len(digest) != 32:
        raise FormatError(key + " is not a SHA-256")
    return digest
