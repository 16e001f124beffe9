"""base64url without padding (RFC 4648 section 5, RFC 7515 section 2), strict: one spelling for each byte string."""

from binascii import a2b_base64, b2a_base64

from .errors import FormatError


def encode(data):
    """``data`` as a str."""
    return b2a_base64(data).decode().rstrip("=\n").replace("+", "-").replace("/", "_")


def decode(text):
    """The bytes that ``text`` (str) spells. Raises: FormatError on padding, foreign characters or stray bits."""
    try:
        data = a2b_base64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))
    except ValueError:
        raise FormatError("not base64url")
    if encode(data) != text:  # MicroPython's decoder skips what it does not know
        raise FormatError("not base64url")
    return data
