"""SHA-256 of what flash holds, in bounded steps."""

from hashlib import sha256

_PIECE = 512
_STEP = 16384


def digest_of(source, size, at=0):
    """A generator whose value is the SHA-256 of ``size`` bytes of ``source`` from ``at`` on; each step reads 16 KB."""
    hasher = sha256()
    piece = memoryview(bytearray(_PIECE))
    end = at + size
    while at < end:
        part = piece[: min(_PIECE, end - at)]
        source.readinto(at, part)
        hasher.update(part)
        at += len(part)
        if at % _STEP == 0:
            yield
    return hasher.digest()
