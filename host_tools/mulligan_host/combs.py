"""Comb tables of public keys, made with python-ecdsa, and hints for signatures: what makes a verification on the device cheap.

Both are made of public data only, so the timing of python-ecdsa does not matter here. The device trusts neither.
"""

import struct
from collections.abc import Iterator

import ecdsa
from ecdsa.ellipticcurve import PointJacobi

from mulligan.core import jws, keytables, root
from mulligan.core import p256_comb as comb
from mulligan.core.p256_curve import N, P, scaled
from mulligan_host.errors import HostError

_G: PointJacobi = ecdsa.NIST256p.generator
_UNSCALE = pow(1 << 260, -1, P)

DEFAULT_WIDTH = 5
"""2056 bytes a key."""

Point = tuple[int, int]


def table(public_key: bytes, width: int) -> bytes:
    """Return the comb table of a 64-byte ``public_key``. Raises: HostError if it is no point of P-256, or for the width."""
    if not comb.MIN_WIDTH <= width <= comb.MAX_WIDTH:
        raise HostError(f"a comb has a width from {comb.MIN_WIDTH} to {comb.MAX_WIDTH}, not {width}")
    try:
        point = ecdsa.VerifyingKey.from_string(public_key, ecdsa.NIST256p, valid_encodings=["raw"]).pubkey.point
    except ecdsa.errors.MalformedPointError as e:
        raise HostError(f"not a public key of P-256: {e}") from e
    header = struct.pack(comb.HEADER, comb.MAGIC, comb.VERSION, width, 0)
    return header + b"".join(_points(_G, width)) + b"".join(_points(point, width))


def tables(trusted: root.Root, width: int) -> bytes:
    """Return what follows a root in its file: the tables of the keys that sign releases or orders; nothing for width 0.

    Raises: HostError as table().
    """
    keys = {**root.keys_for(trusted, root.RELEASE), **root.keys_for(trusted, root.FLEET)} if width else {}
    return b"".join(keytables.pack(kid, table(keys[kid], width)) for kid in sorted(keys))


def short_hint(signature: bytes) -> bytes:
    """Return what every verifier can use of a hint for ``signature`` (64 bytes, r‖s), whatever table it has, or none."""
    return pow(int.from_bytes(signature[32:], "big"), -1, N).to_bytes(32, "big")


def hinted(token: bytes) -> bytes:
    """Return the content of a file with ``token``, a compact JWS, and the hint beside it that helps every verifier."""
    data: bytes = jws.beside(token, short_hint(jws.signature(token)))
    return data


def hint(key_table: bytes, digest: bytes, signature: bytes) -> bytes:
    """Return the hint for a good ``signature`` (64 bytes, r‖s) by a key, for verifiers that hold this table of it.

    Its first 32 bytes alone help a verifier without a table, or with one of another width. They are all there is where the sum
    needs a doubling between two columns, which happens by construction only.
    """
    width = comb.Table(key_table).width
    r, s, e = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:], digest))
    inverse = pow(s, -1, N)
    slopes = _slopes(
        [_point(key_table, j, 0) for j in comb.entries(e * inverse % N, width)],
        [_point(key_table, j, 1 << width - 1) for j in comb.entries(r * inverse % N, width)],
    )
    return short_hint(signature) + b"".join(((slope << 260) % P).to_bytes(32, "big") for slope in slopes)


def _points(point: PointJacobi, width: int) -> Iterator[bytes]:
    spacing = comb.spacing(width)
    for j in range(1 << width - 1):
        scalar = 1 << spacing * (width - 1)
        for i in range(width - 1):
            scalar += (1 if j >> i & 1 else -1) << spacing * i
        multiple = point * (scalar % N)
        yield scaled(multiple.x(), multiple.y())


def _point(key_table: bytes, j: int, first: int) -> Point:
    """Return point j of the comb that begins with point ``first``, or the negative of point ~j."""
    at = comb.HEADER_SIZE + comb.POINT * (first + (j if j >= 0 else ~j))
    half = comb.POINT // 2
    x, y = (int.from_bytes(key_table[i : i + half], "big") * _UNSCALE % P for i in (at, at + half))
    return x, y if j >= 0 else P - y


def _slopes(g: list[Point], q: list[Point]) -> list[int]:
    """Return the slopes of a sum, or none if one of them is that of a doubling or a cancellation."""
    total = g[0]
    slopes: list[int] = []
    try:
        slope, total = _add(total, q[0])
        slopes.append(slope)
        for first, second in zip(g[1:], q[1:], strict=True):
            slope, between = _add(total, first)
            other, doubled = _add(between, total)
            last, total = _add(doubled, second)
            slopes += [slope, slope + other, last]
    except ValueError:  # pow() of 0
        return []
    return slopes


def _add(a: Point, b: Point) -> tuple[int, Point]:
    slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return slope, (x, (slope * (a[0] - x) - a[1]) % P)
