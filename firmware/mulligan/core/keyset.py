"""The keys partition: the public keys that this device accepts releases from. Bytes: docs/SPEC.md, "Key set"."""

import struct
from binascii import crc32

from . import p256
from .errors import FormatError

MAGIC = b"MKEY"
VERSION = 1
MAX_KEYS = 8
HEADER = "<4sBBH"  # magic, version, count, reserved
ENTRY = "<16s64s"  # kid padded with NUL, public key x‖y
MAX_LENGTH = 8 + MAX_KEYS * 80 + 4


def key_id(public_key):
    """The kid of a 64-byte public key: the first 12 hex digits of its SHA-256, so that a name cannot be moved to another key."""
    from binascii import hexlify
    from hashlib import sha256

    return hexlify(sha256(public_key).digest()[:6]).decode()


def encode(public_keys):
    """The bytes of a key set of 64-byte public keys. Raises: FormatError for more than MAX_KEYS."""
    if len(public_keys) > MAX_KEYS:
        raise FormatError("key set: at most {} keys".format(MAX_KEYS))
    data = struct.pack(HEADER, MAGIC, VERSION, len(public_keys), 0)
    for key in public_keys:
        data += struct.pack(ENTRY, key_id(key).encode(), key)
    return data + struct.pack("<I", crc32(data))


def decode(data):
    """{kid: 64-byte public key} of a key set at the start of ``data``. Raises: FormatError."""
    if len(data) < 12:
        raise FormatError("key set: truncated")
    magic, version, count, _ = struct.unpack_from(HEADER, data, 0)
    if magic != MAGIC or version != VERSION or count > MAX_KEYS:
        raise FormatError("key set: none here, or of another version")
    end = 8 + 80 * count
    if len(data) < end + 4 or struct.unpack_from("<I", data, end)[0] != crc32(bytes(data[:end])):
        raise FormatError("key set: checksum does not match")
    keys = {}
    for i in range(count):
        kid, key = struct.unpack_from(ENTRY, data, 8 + 80 * i)
        kid = kid.rstrip(b"\0").decode()
        if p256.public_point(key) is None or kid != key_id(key):
            raise FormatError("key set: key " + str(i) + " is not a point of P-256 under its own name")
        keys[kid] = key
    return keys
