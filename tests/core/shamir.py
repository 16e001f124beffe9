"""P-256 in the plainest way: joint Shamir over integers, the base line of ``make bench``, and a second opinion for tests.

It shares nothing with the verifier but the constants, and has what tests need to make signatures, tables and hints of scalars
that no signer meets by chance.
"""

from hashlib import sha256

from mulligan.core.p256_curve import G, N, P

INFINITY = (0, 1, 0)


def verify(public_key, digest, signature):
    """As p256.verify for a good 64-byte key; nothing is checked but the signature."""
    point = int.from_bytes(public_key[:32], "big"), int.from_bytes(public_key[32:], "big")
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:], "big")
    if not (0 < r < N and 0 < s < N):
        return False
    w = inverse(s, N)
    x, _, z = joint(int.from_bytes(digest, "big") * w % N, G, r * w % N, point)
    if not z:
        return False
    zz = z * z % P
    return x == r * zz % P or (r + N < P and x == (r + N) * zz % P)


def joint(u, a, v, b):
    """u·a + v·b in Jacobian coordinates, doubling once for both scalars."""
    table = (None, a, b, affine(add(add(INFINITY, a), b)))
    total = INFINITY
    for i in range(255, -1, -1):
        total = double(total)
        index = (u >> i & 1) | (v >> i & 1) << 1
        if index and table[index] is not None:
            total = add(total, table[index])
    return total


def double(point):
    x, y, z = point
    if not z:
        return point
    delta = z * z % P
    gamma = y * y % P
    beta = x * gamma % P
    alpha = 3 * (x - delta) * (x + delta) % P
    x3 = (alpha * alpha - 8 * beta) % P
    return x3, (alpha * (4 * beta - x3) - 8 * gamma * gamma) % P, 2 * y * z % P


def add(point, affine):
    x1, y1, z1 = point
    x2, y2 = affine
    if not z1:
        return x2, y2, 1
    zz = z1 * z1 % P
    h = (x2 * zz - x1) % P
    r = (y2 * z1 * zz - y1) % P
    if not h:
        return INFINITY if r else double(point)
    hh = h * h % P
    hhh = h * hh % P
    v = x1 * hh % P
    x3 = (r * r - hhh - 2 * v) % P
    return x3, (r * (v - x3) - y1 * hhh) % P, z1 * h % P


def affine(point):
    """The affine form of a Jacobian point, None at infinity."""
    x, y, z = point
    if not z:
        return None
    w = inverse(z, P)
    ww = w * w % P
    return x * ww % P, y * ww * w % P


def inverse(a, modulus):
    r, next_r, t, next_t = modulus, a % modulus, 0, 1
    while next_r:
        q = r // next_r
        r, next_r = next_r, r - q * next_r
        t, next_t = next_t, t - q * next_t
    return t % modulus


def multiple(k, point=G):
    """k times an affine point, affine; None at infinity."""
    return affine(joint(k % N, point, 0, point))


def raw(*numbers):
    """Numbers as 32 bytes each, big-endian."""
    return b"".join([n.to_bytes(32, "big") for n in numbers])


def sign(d, k, e):
    """The signature of the number ``e`` by the private key ``d`` with the chosen nonce ``k``."""
    r = multiple(k)[0] % N
    return raw(r, inverse(k, N) * (e + r * d) % N)


def public(d):
    """The 64 bytes of the public key of ``d``."""
    return raw(*multiple(d))


def signed(d, message):
    """The signature of ``message`` by the private key ``d``, the same each time; the nonce is good for tests only."""
    nonce, e = [int.from_bytes(sha256(data).digest(), "big") for data in (d.to_bytes(32, "big") + message, message)]
    return sign(d, nonce % N, e)


def scaled(n):
    return (n << 260) % P


def combs(point, width):
    """The combs of G and of ``point`` as docs/SPEC.md has them: two lists of affine points."""
    d = (255 + width) // width
    weights = [sum([(1 if j >> i & 1 or i == width - 1 else -1) << i * d for i in range(width)]) for j in range(1 << width - 1)]
    return [[multiple(weight, base) for weight in weights] for base in (G, point)]


def comb_table(both):
    """A comb table as docs/SPEC.md has it."""
    data = [b"MCMB" + bytes((1, _width(both), 0, 0))]
    for comb in both:
        data += [raw(scaled(x), scaled(y)) for x, y in comb]
    return b"".join(data)


def comb_hint(both, digest, signature, forged=()):
    """A hint as docs/SPEC.md has it for the combs ``both``, or b"" where a sum is a doubling or a cancellation.

    forged: {number of a line: a slope in place of the right one}; the others are those of where it leads.
    """
    width = _width(both)
    r, s, e = [int.from_bytes(part, "big") for part in (signature[:32], signature[32:], digest)]
    w = inverse(s, N)
    numbers = []
    total = None
    for g, q in zip(_columns(e * w % N, both[0], width), _columns(r * w % N, both[1], width)):
        start = total
        steps = [g, start, q] if start else [q]
        total = total or g
        for step in steps:
            if len(numbers) in forged:
                slope = forged[len(numbers)]
            else:
                if total[0] == step[0]:
                    return b""
                slope = (step[1] - total[1]) * inverse(step[0] - total[0], P) % P
            x = (slope * slope - total[0] - step[0]) % P
            # Of a line that is forged, the verifier sees one end only.
            end = step if step is start else total
            total = x, (slope * (end[0] - x) - end[1]) % P
            # The second of three is sent as the sum with the first.
            numbers.append((slope + numbers[-1]) % P if step is start else slope)
    return raw(w, *[scaled(n) for n in numbers])


def _columns(k, comb, width):
    """The points that a comb adds for a scalar, the highest column first."""
    d = (255 + width) // width
    even = not k & 1
    bits = (N - k if even else k) + (1 << width * d) - 1 >> 1
    points = []
    for c in range(d - 1, -1, -1):
        column = sum([(bits >> c + i * d & 1) << i for i in range(width)])
        top = column >> width - 1
        x, y = comb[column - (1 << width - 1) if top else (1 << width - 1) - 1 - column]
        points.append((x, y if top != even else P - y))
    return points


def _width(both):
    width = 1
    while 1 << width - 1 < len(both[0]):
        width += 1
    return width
