"""Comb tables and signer hints, made with python-ecdsa: what makes a verification on the device cheap.

Both are made of public data only, so the timing of python-ecdsa does not matter here. The device trusts neither.
"""

import struct
from collections.abc import Iterator

import ecdsa
from ecdsa.ellipticcurve import PointJacobi

from mulligan.core import p256_comb as comb
from mulligan.core.p256_curve import N, P, scaled
from mulligan_host.errors import HostError

_G: PointJacobi = ecdsa.NIST256p.generator


def table(public_key: bytes, width: int) -> bytes:
    """Return the comb table of a 64-byte ``public_key``. Raises: HostError if it is no point of P-256, or for the width."""
    if not comb.MIN_WIDTH <= width <= comb.MAX_WIDTH:
        raise HostError(f"a comb has a width from {comb.MIN_WIDTH} to {comb.MAX_WIDTH}, not {width}")
    header = struct.pack(comb.HEADER, comb.MAGIC, comb.VERSION, width, 0)
    return header + b"".join(_entries(_G, width)) + b"".join(_entries(_point(public_key), width))


def hint(public_key: bytes, digest: bytes, signature: bytes, width: int) -> bytes:
    """Return the hint for a good ``signature`` (64 bytes, r‖s), to be used with a table of ``width``.

    Its first 32 bytes alone help a verifier without a table, or with one of another width.

    Raises: HostError if the key is no point of P-256, or the sum needs a doubling, which happens by construction only.
    """
    r, s, e = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:], digest))
    inverse = pow(s, -1, N)
    g = _terms(_G, e * inverse % N, width)
    q = _terms(_point(public_key), r * inverse % N, width)
    slopes: list[int] = []
    x, y = 0, 0
    for column, (first, second) in enumerate(zip(g, q, strict=True)):
        if column == 0:
            (x, y), added = first, 0
        else:
            slope = _slope(first[1] - y, first[0] - x)
            between = (slope * slope - x - first[0]) % P
            added = _slope(2 * y, x - between)
            slopes += [slope, added]
            slope = added - slope
            x, y = _third(slope, x, y, between)
        slope = _slope(second[1] - y, second[0] - x)
        slopes.append(slope)
        x, y = _third(slope, x, y, second[0])
    return inverse.to_bytes(32, "big") + b"".join(((value << 260) % P).to_bytes(32, "big") for value in slopes)


def _point(public_key: bytes) -> PointJacobi:
    try:
        return ecdsa.VerifyingKey.from_string(public_key, ecdsa.NIST256p, valid_encodings=["raw"]).pubkey.point
    except ecdsa.errors.MalformedPointError as e:
        raise HostError(f"not a public key of P-256: {e}") from e


def _entries(point: PointJacobi, width: int) -> Iterator[bytes]:
    spacing = comb.spacing(width)
    for j in range(1 << width - 1):
        scalar = 1 << spacing * (width - 1)
        for i in range(width - 1):
            scalar += (1 if j >> i & 1 else -1) << spacing * i
        entry = point * (scalar % N)
        yield scaled(entry.x(), entry.y())


def _terms(point: PointJacobi, scalar: int, width: int) -> list[tuple[int, int]]:
    """Return what a comb adds for ``scalar``, the first addend first."""
    spacing = comb.spacing(width)
    terms = []
    for j in comb.entries(scalar, width):
        index = j if j >= 0 else ~j
        multiple = sum((1 if index >> i & 1 or i == width - 1 else -1) << spacing * i for i in range(width))
        term = point * ((multiple if j >= 0 else -multiple) % N)
        terms.append((term.x(), term.y()))
    return terms


def _slope(dy: int, dx: int) -> int:
    if dx % P == 0:
        raise HostError("this signature takes no hint: a sum on the way is a doubling")
    return dy * pow(dx, -1, P) % P


def _third(slope: int, x: int, y: int, other: int) -> tuple[int, int]:
    third = (slope * slope - x - other) % P
    return third, (slope * (x - third) - y) % P
