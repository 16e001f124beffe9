"""ECDSA signing on P-256 for the tests, in affine coordinates and no more than the definition: it shares nothing with core/p256.

Sources: FIPS 186-5 section 6.4.1; SEC 1 section 2.2.1. The nonce is a hash of key and message: good for tests only.
"""

from hashlib import sha256

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def public(private):
    """The 64-byte public key of an integer ``private``."""
    x, y = _times(private, G)
    return x.to_bytes(32, "big") + y.to_bytes(32, "big")


def sign(private, message):
    """The 64-byte signature r‖s of ``message``."""
    e = int.from_bytes(sha256(message).digest(), "big")
    k = int.from_bytes(sha256(private.to_bytes(32, "big") + message).digest(), "big") % N
    r = _times(k, G)[0] % N
    s = _inverse(k, N) * (e + r * private) % N
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _times(k, point):
    total = None
    while k:
        if k & 1:
            total = _sum(total, point)
        point = _sum(point, point)
        k >>= 1
    return total


def _sum(a, b):
    if a is None:
        return b
    if a == b:
        slope = (3 * a[0] * a[0] - 3) * _inverse(2 * a[1], P)
    else:
        slope = (b[1] - a[1]) * _inverse(b[0] - a[0], P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def _inverse(a, modulus):
    r, following, t, next_t = modulus, a % modulus, 0, 1
    while following:
        q = r // following
        r, following, t, next_t = following, r - q * following, next_t, t - q * next_t
    return t % modulus
