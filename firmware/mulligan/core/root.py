"""The root: which keys a device trusts for what, and the rotation from one root to the next. Bytes: docs/SPEC.md, "Root".

A root is canonical bytes, one spelling for each, and beside them detached signatures by root keys. Root n + 1 takes the place of
root n where the threshold of n's root keys and the threshold of its own have signed it (after The Update Framework, section
5.3.4). What is signed begins with CONTEXT, so that no signature over a root is one over a manifest or an order, and the reverse.
"""

import struct
from collections import namedtuple
from hashlib import sha256

from .errors import FormatError, RootError

MAGIC = b"MROT"
VERSION = 1
CONTEXT = b"Mulligan root\0"  # no JWS is signed over these bytes: it is base64url and one dot
MAX_KEYS = 12
MAX_SIGNATURES = 24  # of all keys of two roots
MAX_LENGTH = 24 + MAX_KEYS * 65 + 1 + MAX_SIGNATURES * 70
HEADER = "<4sBBBBIIII"  # magic, version, flags, threshold, keys, number, issued, expires, ceiling
KEY = "<B64s"  # roles, public key x‖y
SIGNATURE = "<6s64s"  # key id, r‖s

ROOT = 1  # roles: signs roots,
RELEASE = 2  # signs manifests (what an artifact is),
FLEET = 4  # signs orders (who gets it)
_RESET = 1  # flag: there is a ceiling
_U32 = 0xFFFFFFFF

# number: from 1, one up with each rotation; issued, expires: seconds since 1970, expires 0 for never; threshold: how many root
# keys must sign; ceiling: where it is not None, no floor, sequence or time of a device stays above what it should be: sequences
# and counters come down to the ceiling, the latest time seen to issued; keys: tuple of Key, ascending by key id.
Root = namedtuple("Root", ("number", "issued", "expires", "threshold", "ceiling", "keys"))
Key = namedtuple("Key", ("public", "roles"))
# body: the bytes of the root, which are signed; signatures: {kid: 64 bytes r‖s}, unchecked.
Signed = namedtuple("Signed", ("root", "body", "signatures"))


def key_id(public_key):
    """The kid of a 64-byte public key: the first 12 hex digits of its SHA-256, so that a name cannot be moved to another key."""
    return _by_id((public_key,)).hex()


def make(number, issued, expires, threshold, ceiling, keys):
    """A Root of ``keys`` ([Key], in any order). Raises: FormatError where no root may be so."""
    return decode(encode(Root(number, issued, expires, threshold, ceiling, sorted(keys, key=_by_id))))


def encode(root):
    """The bytes of a Root that make() or decode() gave."""
    ceiling = root.ceiling or 0
    flags = _RESET if root.ceiling is not None else 0
    if not all(0 <= n <= _U32 for n in (root.number, root.issued, root.expires, ceiling)):
        raise FormatError("root: number, times and ceiling have 32 bits")
    if len(root.keys) > MAX_KEYS or not 0 <= root.threshold <= MAX_KEYS:
        raise FormatError("root: at most {} keys".format(MAX_KEYS))
    fields = (MAGIC, VERSION, flags, root.threshold, len(root.keys), root.number, root.issued, root.expires, ceiling)
    body = struct.pack(HEADER, *fields)
    for key in root.keys:
        body += struct.pack(KEY, key.roles, key.public)
    return body


def decode(body):
    """The Root that ``body`` spells, whole: encode() gives the same bytes again. Raises: FormatError."""
    if len(body) < 24:
        raise FormatError("root: truncated")
    magic, version, flags, threshold, count, number, issued, expires, ceiling = struct.unpack_from(HEADER, body, 0)
    if magic != MAGIC or version != VERSION:
        raise FormatError("root: none, or of another version")
    if flags & ~_RESET or (ceiling and not flags) or count > MAX_KEYS or len(body) != 24 + 65 * count:
        raise FormatError("root: unknown flags, or of another length than it says")
    keys = []
    last = b""
    for i in range(count):
        roles, public = struct.unpack_from(KEY, body, 24 + 65 * i)
        if not 0 < roles <= ROOT | RELEASE | FLEET:
            raise FormatError("root: key {} has no known role".format(i))
        kid = _by_id((public, roles))
        if kid <= last:
            raise FormatError("root: key {} is there twice, or out of order".format(i))
        last = kid
        keys.append(Key(public, roles))
    if not number or not 0 < threshold <= sum([key.roles & ROOT for key in keys]):
        raise FormatError("root: number 0, or a threshold that its root keys can't reach")
    return Root(number, issued, expires, threshold, ceiling if flags else None, tuple(keys))


def signing_bytes(body):
    """What a root key signs, by ECDSA with SHA-256: the context, then the root's bytes."""
    return CONTEXT + body


def pack(body, signatures):
    """The bytes of a signed root, as files and flash hold it. signatures: {kid: 64 bytes r‖s}. Raises: FormatError."""
    if len(signatures) > MAX_SIGNATURES:
        raise FormatError("root: at most {} signatures".format(MAX_SIGNATURES))
    packed = bytes(body) + bytes([len(signatures)])
    for kid in sorted(signatures):
        if len(signatures[kid]) != 64:
            raise FormatError("root: a signature is 64 bytes, r‖s")
        packed += struct.pack(SIGNATURE, bytes.fromhex(kid), signatures[kid])
    return packed


def unpack(data):
    """The Signed at the start of ``data``; what follows it is not read. No signature is checked here.

    Raises: FormatError, also on a key id that is there twice.
    """
    size = 24 + 65 * data[7] if len(data) > 7 else 0
    if len(data) <= size:
        raise FormatError("root: truncated")
    body = bytes(data[:size])
    root = decode(body)
    count = data[size]
    if count > MAX_SIGNATURES or len(data) < size + 1 + 70 * count:
        raise FormatError("root: truncated, or too many signatures")
    signatures = {}
    last = ""
    for i in range(count):
        kid, signature = struct.unpack_from(SIGNATURE, data, size + 1 + 70 * i)
        kid = kid.hex()
        if kid <= last:
            raise FormatError("root: a key id signs twice, or out of order")
        last = kid
        signatures[kid] = signature
    return Signed(root, body, signatures)


def length(signed):
    """Bytes of the packed form of a Signed."""
    return len(signed.body) + 1 + 70 * len(signed.signatures)


def keys_for(root, role):
    """{kid: 64-byte public key} of the keys that ``root`` lists for ``role``."""
    return {key_id(key.public): key.public for key in root.keys if key.roles & role}


def accept(current, candidate, verify):
    """The Root of ``candidate`` (a Signed), if it may take the place of ``current`` (a Root).

    verify(public_key, digest, signature) -> bool, as p256.verify. Its number is exactly one higher, and of the root keys of
    both, old and new, the threshold has signed; each key id counts once. Expiry is not judged: of a chain that is caught up on,
    only the last root has to be in date.
    Raises: RootError; the current root stays.
    """
    return _value(accepting(current, candidate, verify))


def lower(state, root):
    """Bring down in ``state`` (a state.State) what stands above the ceiling of ``root``, if it has one, or is later than it."""
    if root.ceiling is not None:
        state.sequence = min(state.sequence, root.ceiling)
        state.order = min(state.order, root.ceiling)
        state.time = min(state.time, root.issued)
        for entry in state.entries:
            entry.floor = min(entry.floor, root.ceiling)
            entry.hard_floor = min(entry.hard_floor, root.ceiling)


def proves_itself(signed, verify):
    """Whether the threshold of its own root keys has signed a root: then it is whole, but not yet one to trust."""
    return _value(signers(signed.root, signed, verify)) >= signed.root.threshold


def accepting(current, candidate, verify):
    """accept() as a generator: each step verifies one signature at most."""
    new = candidate.root
    if new.number != current.number + 1:
        raise RootError("root {}: not the one after root {}, which is here".format(new.number, current.number))
    for root, whose in ((current, "old"), (new, "new")):
        count = yield from signers(root, candidate, verify)
        if count < root.threshold:
            raise RootError(
                "root {}: {} of {} signatures that the {} root asks for".format(new.number, count, root.threshold, whose)
            )
    return new


def signers(root, signed, verify):
    """A generator: how many root keys of ``root`` have signed ``signed``, but no more than its threshold asks for."""
    digest = sha256(signing_bytes(signed.body)).digest()
    count = 0
    for kid, public in keys_for(root, ROOT).items():
        if count < root.threshold and kid in signed.signatures:
            count += verify(public, digest, signed.signatures[kid])
            yield
    return count


def _value(generator):
    while True:
        try:
            next(generator)
        except StopIteration as done:
            return done.value


def _by_id(key):
    return sha256(key[0]).digest()[:6]
