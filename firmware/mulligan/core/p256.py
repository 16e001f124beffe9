"""ECDSA verification on NIST P-256 with SHA-256 digests, in plain integers.

Sources: FIPS 186-5 section 6.4.2 (verification), SEC 1 section 2.3.3 (points), and for the Jacobian formulas the
Explicit-Formulas Database entries dbl-2001-b and madd-2007-bl for a = -3. Only public data is handled, so nothing here is
constant time.
"""

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)

_INFINITY = (0, 1, 0)


def public_point(key):
    """The point ``(x, y)`` of a 64-byte x‖y or 65-byte uncompressed key, or None if it is not a point of the curve."""
    if len(key) == 65 and key[0] == 4:
        key = key[1:]
    if len(key) != 64:
        return None
    x = int.from_bytes(key[:32], "big")
    y = int.from_bytes(key[32:], "big")
    if x >= P or y >= P or (y * y - x * (x * x - 3) - B) % P:
        return None
    return x, y


def verify(public_key, digest, signature):
    """True if ``signature`` (64 bytes, r‖s) by ``public_key`` (64 or 65 bytes) covers ``digest`` (32 bytes).

    False for anything malformed; never raises on bytes of any length.
    """
    point = public_point(public_key)
    if point is None or len(digest) != 32 or len(signature) != 64:
        return False
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:], "big")
    if not (0 < r < N and 0 < s < N):
        return False
    w = _inverse(s, N)
    x, _, z = _joint(int.from_bytes(digest, "big") * w % N, G, r * w % N, point)
    if not z:
        return False
    # x/z² mod p must be r mod n: compare without inverting, for both residues below p.
    zz = z * z % P
    return x == r * zz % P or (r + N < P and x == (r + N) * zz % P)


def _joint(u, a, v, b):
    """u·a + v·b in Jacobian coordinates, doubling once for both scalars (Shamir's trick)."""
    both = _affine(_add(_add(_INFINITY, a), b))
    table = (None, a, b, both)
    total = _INFINITY
    for i in range(255, -1, -1):
        total = _double(total)
        index = (u >> i & 1) | (v >> i & 1) << 1
        if index and table[index] is not None:
            total = _add(total, table[index])
    return total


def _double(point):
    x, y, z = point
    if not z:
        return point
    delta = z * z % P
    gamma = y * y % P
    beta = x * gamma % P
    alpha = 3 * (x - delta) * (x + delta) % P
    x3 = (alpha * alpha - 8 * beta) % P
    return x3, (alpha * (4 * beta - x3) - 8 * gamma * gamma) % P, 2 * y * z % P


def _add(point, affine):
    """A Jacobian point plus an affine one; equal, opposite and infinite operands are right too."""
    x1, y1, z1 = point
    x2, y2 = affine
    if not z1:
        return x2, y2, 1
    zz = z1 * z1 % P
    h = (x2 * zz - x1) % P
    r = (y2 * z1 * zz - y1) % P
    if not h:
        return _INFINITY if r else _double(point)
    hh = h * h % P
    hhh = h * hh % P
    v = x1 * hh % P
    x3 = (r * r - hhh - 2 * v) % P
    return x3, (r * (v - x3) - y1 * hhh) % P, z1 * h % P


def _affine(point):
    """The affine form of a Jacobian point, None at infinity."""
    x, y, z = point
    if not z:
        return None
    w = _inverse(z, P)
    ww = w * w % P
    return x * ww % P, y * ww * w % P


def _inverse(a, modulus):
    """The inverse of ``a``, not 0, modulo a prime, by the extended Euclid: MicroPython's pow() takes no negative power."""
    r, next_r, t, next_t = modulus, a % modulus, 0, 1
    while next_r:
        q = r // next_r
        r, next_r = next_r, r - q * next_r
        t, next_t = next_t, t - q * next_t
    return t % modulus
