"""ECDSA verification on NIST P-256 with SHA-256 digests. Source: FIPS 186-5, section 6.4.2.

Three ways, from the slowest: the key alone; a key pinned with its table (p256_comb); and with a hint of the signer beside the
signature. A hint is never trusted: what it says is checked by multiplication, and the signature is verified without it where
that fails.
"""

from .errors import FormatError, MulliganError, SignatureError
from .p256_curve import N, P, inverse, on_curve
from .p256_sum import joint


def verify(public_key, digest, signature, hint=None):
    """True if ``signature`` (64 bytes, r‖s) by ``public_key`` (64 or 65 bytes, or a Key) covers ``digest`` (32 bytes).

    False for anything malformed, whatever its type.
    """
    if not isinstance(public_key, Key):
        try:
            public_key = Key(public_key)
        except MulliganError:
            return False
    return public_key.verify(digest, signature, hint)


def public_point(key):
    """The point (x, y) of a 64-byte x‖y or 65-byte uncompressed key, or None if it is not a point of the curve."""
    if not _is_bytes(key):
        return None
    key = bytes(key)
    if len(key) == 65 and key[0] == 4:
        key = key[1:]
    if len(key) != 64:
        return None
    x = int.from_bytes(key[:32], "big")
    y = int.from_bytes(key[32:], "big")
    return (x, y) if on_curve(x, y) else None


def holds(hint, signature):
    """Whether what ``hint`` (bytes) begins with is the inverse of s of ``signature`` (bytes, r‖s), as it should be."""
    return int.from_bytes(hint[:32], "big") * int.from_bytes(signature[32:], "big") % N == 1


class Key:
    """A public key (64 or 65 bytes), and what makes its signatures cheap to verify.

    table: a comb table of this key: bytes, or readinto(offset, buf) over flash. It is computed again to be sure of it, which
    takes more time than a verification without it. ``seal``, the result of seal() of an earlier Key, says that this was done
    before: the table is then only hashed.
    hint: of the signer, for the signatures to come.

    Raises: FormatError for a key that is not a point of the curve, and for a table that is not exactly this key's.
    """

    def __init__(self, public_key, table=None, hint=None, seal=None):
        self._point = public_point(public_key)
        if self._point is None:
            raise FormatError("not a public key of P-256")
        self._hint = hint
        self._table = None
        if table is not None:
            from .p256_comb import Table

            self._table = Table(table)
            if seal is None:
                from .p256_check import check

                check(self._table, self._point[0], self._point[1])
            elif seal != self.seal():
                raise FormatError("comb table: not the one that was checked and sealed")

    def seal(self):
        """32 bytes that stand for this key with its table, checked; None without a table."""
        return self._table and self._table.seal(self._point[0], self._point[1])

    def verify(self, digest, signature, hint=None):
        """True if ``signature`` (64 bytes, r‖s) covers ``digest`` (32 bytes). False for anything malformed."""
        if not (_is_bytes(digest) and _is_bytes(signature)):
            return False
        digest, signature = bytes(digest), bytes(signature)
        if len(digest) != 32 or len(signature) != 64:
            return False
        r = int.from_bytes(signature[:32], "big")
        s = int.from_bytes(signature[32:], "big")
        if not (0 < r < N and 0 < s < N):
            return False
        hint = self._hint if hint is None else hint
        hint = bytes(hint) if _is_bytes(hint) else b""
        w = int.from_bytes(hint[:32], "big") if holds(hint, signature) else inverse(s, N)
        u = int.from_bytes(digest, "big") * w % N
        v = r * w % N
        # x mod n must be r; two x below p may give it.
        candidates = (r, r + N) if r + N < P else (r,)
        if self._table is None:
            return joint(u, v, self._point[0], self._point[1]).has_x(candidates)
        if len(hint) == self._table.hint_size:
            found = self._table.hinted_has_x(u, v, hint, candidates)
            if found is not None:
                return found
        return self._table.sum(u, v).has_x(candidates)


def signature_from_der(der):
    """r‖s in 64 bytes of a signature in DER: SEQUENCE { INTEGER r, INTEGER s } (RFC 3279, section 2.2.3).

    Strict: one encoding is taken for a pair of values, and nothing may follow. Raises: SignatureError.
    """
    if not _is_bytes(der):
        raise SignatureError("signature: not bytes")
    der = bytes(der)
    # A length above 127 would take the long form, but two integers of 33 bytes make 70 at most.
    if len(der) < 2 or der[0] != 0x30 or der[1] != len(der) - 2:
        raise SignatureError("signature: not a DER sequence of its own length")
    at = 2
    numbers = b""
    for _ in range(2):
        head = der[at : at + 3]
        if len(head) < 3 or head[0] != 2 or not 0 < head[1] <= 33 or at + 2 + head[1] > len(der):
            raise SignatureError("signature: not two DER integers")
        value = der[at + 2 : at + 2 + head[1]]
        at += 2 + len(value)
        if value[0] & 0x80 or (not value[0] and len(value) > 1 and not value[1] & 0x80):
            raise SignatureError("signature: an integer that is negative, or has a zero too many")
        if not value[0]:
            value = value[1:]
        if len(value) > 32:
            raise SignatureError("signature: an integer of more than 32 bytes")
        numbers += bytes(32 - len(value)) + value
    if at != len(der):
        raise SignatureError("signature: bytes after the second integer")
    return numbers


def _is_bytes(data):
    return isinstance(data, (bytes, bytearray, memoryview))
