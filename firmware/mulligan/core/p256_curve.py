"""The curve NIST P-256: its constants, its points, and sums of them in plain integers.

Sources: SEC 1 section 2.3.3 (points as bytes) and, for the Jacobian formulas, the Explicit-Formulas Database entries dbl-2001-b
and madd-2007-bl for a = -3. Only public data is handled, so nothing here is constant time.
"""

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)

INFINITY = (0, 1, 0)


def integer(data):
    """The number that big-endian bytes stand for. All field elements from outside come through here."""
    return int.from_bytes(data, "big")


def on_curve(x, y):
    """Whether two integers are the coordinates of a point of the curve."""
    return 0 <= x < P and 0 <= y < P and not (y * y - (x * x - 3) % P * x - B) % P


def double(point):
    """Twice a Jacobian point: 8 multiplications."""
    x, y, z = point
    if not z:
        return point
    delta = z * z % P
    gamma = y * y % P
    beta = x * gamma % P
    alpha = 3 * (x - delta) * (x + delta) % P
    x3 = (alpha * alpha - 8 * beta) % P
    return x3, (alpha * (4 * beta - x3) - 8 * gamma * gamma) % P, 2 * y * z % P


def add(point, x2, y2):
    """A Jacobian point plus an affine one, in 11 multiplications; equal, opposite and infinite operands are right too."""
    x1, y1, z1 = point
    if not z1:
        return x2, y2, 1
    zz = z1 * z1 % P
    h = (x2 * zz - x1) % P
    r = (zz * z1 % P * y2 - y1) % P
    if not h:
        return INFINITY if r else double(point)
    hh = h * h % P
    hhh = h * hh % P
    v = x1 * hh % P
    x3 = (r * r - hhh - 2 * v) % P
    return x3, (r * (v - x3) - y1 * hhh) % P, z1 * h % P


def affine(point):
    """The coordinates (x, y) of a Jacobian point, None at infinity."""
    x, y, z = point
    if not z:
        return None
    w = inverse(z, P)
    ww = w * w % P
    return x * ww % P, ww * w % P * y % P


def inverse(a, modulus):
    """The inverse of ``a``, not 0, modulo a prime, by the extended Euclid: MicroPython's pow() takes no negative power."""
    r, next_r, t, next_t = modulus, a % modulus, 0, 1
    while next_r:
        q = r // next_r
        r, next_r = next_r, r - q * next_r
        t, next_t = next_t, t - q * next_t
    return t % modulus


def joint(u, v, x, y):
    """u·G + v·(x, y) in Jacobian coordinates, doubling once for both scalars (Shamir's trick)."""
    table = (None, G, (x, y), affine(add((x, y, 1), G[0], G[1])))
    total = INFINITY
    for i in range(255, -1, -1):
        total = double(total)
        entry = table[(u >> i & 1) | (v >> i & 1) << 1]
        if entry:
            total = add(total, entry[0], entry[1])
    return total
