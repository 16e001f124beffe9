"""SHA-256 of what flash holds, in bounded steps."""

from hashlib import sha256

_PIECE = 512
_STEP = 16384


def digest_of(source, size):
    """A generator whose value is the SHA-256 of the first ``size`` bytes of ``source``; each step reads 16 KB."""
    hasher = sha256()
    piece = memoryview(bytearray(_PIECE))
    at = 0
    while at < size:
        part = piece[: min(_PIECE, size - at)]
        source.readinto(at, part)
        hasher.update(part)
        at += len(part)
        if at % _STEP == 0:
            yield
    return hasher.digest()
