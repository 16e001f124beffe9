from binascii import unhexlify
from hashlib import sha256

from common import raises
from core import shamir
from core.shamir import G, N, P, raw, sign
from mulligan.core import p256
from mulligan.core.errors import FormatError, SignatureError
from mulligan.core.p256_curve import B

HEAP = "128k"

# RFC 6979, appendix A.2.5: P-256, SHA-256, messages "sample" and "test".
KEY = unhexlify(
    "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
    "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
)
SAMPLE = unhexlify(
    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
    "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
)
TEST = unhexlify(
    "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367"
    "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"
)
DIGEST = sha256(b"sample").digest()
E = int.from_bytes(DIGEST, "big")


def parts(sig):
    return int.from_bytes(sig[:32], "big"), int.from_bytes(sig[32:], "big")


def test_known_answers():
    assert p256.verify(KEY, DIGEST, SAMPLE)
    assert p256.verify(b"\x04" + KEY, DIGEST, SAMPLE)
    assert p256.verify(KEY, sha256(b"test").digest(), TEST)
    assert not p256.verify(KEY, DIGEST, TEST)


def test_a_pinned_key_is_a_key():
    key = p256.Key(KEY)
    assert p256.verify(key, DIGEST, SAMPLE) is True
    assert key.verify(bytearray(DIGEST), memoryview(SAMPLE)) is True
    assert p256.verify(key, DIGEST, TEST) is False
    assert key.seal() is None


def test_a_high_s_is_a_signature_too():
    r, s = parts(SAMPLE)
    assert p256.verify(KEY, DIGEST, raw(r, N - s))


def test_values_out_of_range():
    r, s = parts(SAMPLE)
    for bad_r, bad_s in ((0, s), (r, 0), (N, s), (r, N), (r, s + 1), (2**256 - 1, s), (r, 2**256 - 1), (0, 0), (N, N), (1, 1)):
        assert not p256.verify(KEY, DIGEST, raw(bad_r, bad_s))


def _point_from(x):
    """The first point of the curve whose x coordinate is ``x`` or more."""
    while True:
        square = (x * x * x - 3 * x + B) % P
        y = pow(square, (P + 1) // 4, P)
        if y * y % P == square:
            return x, y
        x += 1


def _signed(x, s, e):
    """(public key, signature) for a sum whose x coordinate is ``x`` or a bit more: the key is recovered from the sum."""
    point = _point_from(x)
    r = point[0] % N
    w = shamir.inverse(r, N)
    return raw(*shamir.affine(shamir.joint(s * w % N, point, (N - e) * w % N, G))), raw(r, s)


def test_an_x_of_the_order_and_above():
    # x of the sum is n or more, so r is x - n: it is the second candidate that fits.
    for x in (N, N + 5000, P - 60):
        key, sig = _signed(x, 777, E)
        assert parts(sig)[0] < P - N
        assert p256.verify(key, DIGEST, sig)
        assert not p256.verify(key, DIGEST, raw(parts(sig)[0] + 1, 777))
        assert not p256.verify(key, DIGEST, raw(parts(sig)[0] + N, 777))


def test_values_that_are_right_but_for_a_multiple_of_n():
    for x, s in ((3, 5), (2**100, 1), (7, 2**128)):
        key, sig = _signed(x, s, E)
        assert p256.verify(key, DIGEST, sig)
        r, _ = parts(sig)
        for wrong in (raw(r + N, s), raw(r, s + N), raw(r + N, s + N)):
            assert not p256.verify(key, DIGEST, wrong)


def test_r_is_not_taken_modulo_p():
    # r + n of a small r is above p for r from p - n on; then only r itself is a candidate.
    key, sig = _signed(P - N + 1, 9, E)
    assert parts(sig)[0] >= P - N
    assert p256.verify(key, DIGEST, sig)


def test_malformed_input_is_false_not_an_error():
    assert not p256.verify(KEY, DIGEST, b"")
    assert not p256.verify(KEY, DIGEST, SAMPLE[:-1])
    assert not p256.verify(KEY, DIGEST, SAMPLE + b"\0")
    assert not p256.verify(KEY, DIGEST[:-1], SAMPLE)
    assert not p256.verify(KEY, DIGEST + b"\0", SAMPLE)
    # The same numbers in another number of bytes.
    assert not p256.verify(KEY, b"\0" + DIGEST, SAMPLE)
    assert not p256.verify(KEY, DIGEST, SAMPLE[:32] + b"\0" + SAMPLE[32:])
    for thing in (None, 5, 1.5, "text", "a" * 64, [1] * 64, (4,) * 65, {}, b"", True, object()):
        assert p256.verify(thing, DIGEST, SAMPLE) is False
        assert p256.verify(KEY, thing, SAMPLE) is False
        assert p256.verify(KEY, DIGEST, thing) is False
        assert p256.Key(KEY, None, thing).verify(DIGEST, SAMPLE) is True  # a hint that makes no sense is no hint
        raises(FormatError, p256.Key, thing)
        if thing is not None:
            raises(FormatError, p256.Key, KEY, thing)


def test_keys_that_are_none():
    x, y = parts(KEY)
    bad = [KEY[:-1], KEY + b"\0", b"", bytes(64), b"\x03" + KEY, b"\x02" + KEY[:32], b"\x03" + KEY[:32], b"\0", bytes(65)]
    bad += [b"\x06" + KEY, b"\x07" + KEY, b"\x04" + KEY[:-1], b"\x04" + KEY + b"\0", KEY[:32] + b"\0" + KEY[32:]]
    bad += [raw(x, y ^ 1), raw(x ^ 1, y), raw(y, x), raw(0, 0), raw(0, 1), raw(P, y), raw(x, P), raw(P - 1, P - 1), b"\xff" * 64]
    # A point whose x has a second spelling in 32 bytes, p more.
    small = _point_from(5)
    assert p256.public_point(raw(*small)) == small
    bad += [raw(small[0] + P, small[1]), raw(x, 2**256 - 1)]
    for key in bad:
        assert not p256.verify(key, DIGEST, SAMPLE)
        assert p256.public_point(key) is None
        raises(FormatError, p256.Key, key)


def test_every_flipped_byte_fails():
    for i in range(0, 64, 7):
        sig = bytearray(SAMPLE)
        sig[i] ^= 0x40
        assert not p256.verify(KEY, DIGEST, sig)
    for i in range(0, 32, 5):
        digest = bytearray(DIGEST)
        digest[i] ^= 1
        assert not p256.verify(KEY, digest, SAMPLE)


def test_sums_that_degenerate():
    for d in (1, 2, 3, N - 1, N - 2, E % N, N - E % N):
        for k in (1, 2, 3, N - 1, 5):
            assert p256.verify(raw(*shamir.multiple(d)), DIGEST, sign(d, k, E)), (d, k)
    # A digest of 0, or of n, leaves one scalar only.
    for d in (1, N - 1, 12345):
        assert p256.verify(raw(*shamir.multiple(d)), bytes(32), sign(d, 7, 0))
        assert p256.verify(raw(*shamir.multiple(d)), raw(N), sign(d, 7, 0))
    assert p256.verify(KEY, DIGEST, SAMPLE)


def test_a_digest_above_the_order():
    for e in (N - 1, N + 1, 2**256 - 1):
        assert p256.verify(raw(*shamir.multiple(99)), raw(e), sign(99, 1234567, e))


def test_the_sum_at_infinity_is_no_signature():
    # With key d = -e/r both scalars cancel: u·G + v·Q = 0.
    for r in (12345, N - 1, 1):
        d = (N - E) * shamir.inverse(r, N) % N
        assert not p256.verify(raw(*shamir.multiple(d)), DIGEST, raw(r, 77))
    # Whichever point was added last, its x coordinate, from which nothing is left over, is no r.
    for d in (1, 2, 12345):
        key = shamir.multiple(d)
        for r in (G[0] % N, key[0] % N):
            for s in range(1, 7):
                assert not p256.verify(raw(*key), raw(N - r * d % N), raw(r, s))
    assert not p256.verify(KEY, bytes(32), raw(0, 1))
    for r in (1, 2, 3):
        assert not p256.verify(raw(*G), raw(N - r), raw(r, 5))  # u = -v and the key is G
        assert not p256.verify(raw(G[0], P - G[1]), raw(r), raw(r, 5))


def _der(*numbers):
    body = b""
    for n in numbers:
        value = n.to_bytes(34, "big")
        while len(value) > 1 and not value[0] and not value[1] & 0x80:
            value = value[1:]
        body += bytes((2, len(value))) + value
    return bytes((0x30, len(body))) + body


def test_der():
    for r, s in (parts(SAMPLE), (0, 0), (1, 127), (128, 255), (2**255, 2**255 - 1), (2**256 - 1, N), (2**248, 2**247)):
        assert p256.signature_from_der(_der(r, s)) == raw(r, s)
        assert p256.signature_from_der(bytearray(_der(r, s))) == p256.signature_from_der(memoryview(_der(r, s)))
    assert len(_der(2**256 - 1, 2**256 - 1)) == 72


def test_der_that_is_not_strict():
    r, s = parts(SAMPLE)
    good = _der(r, s)
    one = b"\x02\x01\x01"
    bad = [good[:i] for i in range(len(good))] + [good + b"\0", good + b"\0\0", b"\0" + good]
    bad += [_der(r), _der(r, s, 1), _der(2**256, s), _der(r, 2**256), _der(2**264 - 1, 1)]
    bad += [
        b"\x30\x80" + one + one + b"\0\0",  # indefinite length
        b"\x30\x81\x06" + one + one,  # long form of the sequence's length
        b"\x30\x82\0\x06" + one + one,
        b"\x30\x07\x02\x81\x01\x01" + one,  # of an integer's
        b"\x30\x08" + one + b"\x02\x82\0\x01\x01",
        b"\x30\x08" + one + b"\x02\x80\x01\0\0",
        b"\x30\x07\x02\x02\0\x01" + one,  # a zero too many
        b"\x30\x07" + one + b"\x02\x02\0\x7f",
        b"\x30\x07\x02\x02\0\0" + one,
        b"\x30\x06\x02\x01\x80" + one,  # negative
        b"\x30\x06" + one + b"\x02\x01\xff",
        b"\x30\x07\x02\x02\xff\x01" + one,
        b"\x30\x05\x02\0" + one,  # no bytes at all
        b"\x30\x05" + one + b"\x02\0",
        b"\x30\x04\x02\0\x02\0",
        b"\x30\x09" + one + one + one,  # a third integer
        b"\x30\x08" + one + one + b"\0\0",
        b"\x30\x06\x03\x01\x01" + one,  # other types
        b"\x30\x06\x22\x01\x01" + one,
        b"\x31\x06" + one + one,
        b"\x10\x06" + one + one,
        b"\x30\x05" + one + one,  # lengths that don't fit
        b"\x30\x07" + one + one,
        b"\x30\x06" + one + b"\x02\x02\x01",
        b"\x30\x06\x02\x04\x01\x02\x01\x01",
        b"\x30\x0a\x30\x08" + one + one + b"\0\0",
        b"\x30\0",
        b"",
    ]
    for der in bad:
        raises(SignatureError, p256.signature_from_der, der)
    for thing in (None, 5, "0\x06\x02\x01\x01\x02\x01\x01", [0x30], object()):
        raises(SignatureError, p256.signature_from_der, thing)
