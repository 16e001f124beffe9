"""The curve NIST P-256: y**2 = x**3 - 3*x + B modulo P, its generator G, and the order N of its points (SEC 2, section 2.4.2)."""

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def on_curve(x, y):
    """Whether two integers are the coordinates of a point of the curve."""
    return 0 <= x < P and 0 <= y < P and not (y * y - (x * x - 3) % P * x - B) % P


def scaled(x, y):
    """The 64 bytes of a point as p256_field takes them: x and y times 2**260, big-endian."""
    return ((x << 260) % P).to_bytes(32, "big") + ((y << 260) % P).to_bytes(32, "big")


def inverse(a, modulus):
    """The inverse of ``a``, not 0, modulo a prime, by the extended Euclid: MicroPython's pow() takes no negative power."""
    r, next_r, t, next_t = modulus, a % modulus, 0, 1
    while next_r:
        q = r // next_r
        r, next_r = next_r, r - q * next_r
        t, next_t = next_t, t - q * next_t
    return t % modulus
