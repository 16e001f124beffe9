from binascii import unhexlify
from hashlib import sha256

from mulligan.core import p256, p256_curve

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
N = p256.N


def signature(r, s):
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def parts(sig):
    return int.from_bytes(sig[:32], "big"), int.from_bytes(sig[32:], "big")


def test_known_answers():
    assert p256.verify(KEY, DIGEST, SAMPLE)
    assert p256.verify(b"\x04" + KEY, DIGEST, SAMPLE)
    assert p256.verify(KEY, sha256(b"test").digest(), TEST)
    assert not p256.verify(KEY, DIGEST, TEST)


def test_a_high_s_is_a_signature_too():
    r, s = parts(SAMPLE)
    assert p256.verify(KEY, DIGEST, signature(r, N - s))


def test_values_out_of_range():
    r, s = parts(SAMPLE)
    for bad_r, bad_s in ((0, s), (r, 0), (N, s), (r, N), (r, s + 1), (2**256 - 1, s), (r, 2**256 - 1), (0, 0)):
        assert not p256.verify(KEY, DIGEST, signature(bad_r, bad_s))


def test_malformed_input_is_false_not_an_error():
    assert not p256.verify(KEY, DIGEST, b"")
    assert not p256.verify(KEY, DIGEST, SAMPLE[:-1])
    assert not p256.verify(KEY, DIGEST, SAMPLE + b"\0")
    assert not p256.verify(KEY[:-1], DIGEST, SAMPLE)
    assert not p256.verify(b"\x03" + KEY, DIGEST, SAMPLE)
    assert not p256.verify(b"", DIGEST, SAMPLE)
    assert not p256.verify(KEY, DIGEST[:-1], SAMPLE)
    assert not p256.verify(bytes(64), DIGEST, SAMPLE)
    off_curve = bytearray(KEY)
    off_curve[63] ^= 1
    assert not p256.verify(off_curve, DIGEST, SAMPLE)
    assert not p256.verify((p256_curve.P).to_bytes(32, "big") + KEY[32:], DIGEST, SAMPLE)


def test_every_flipped_byte_fails():
    for i in range(0, 64, 7):
        sig = bytearray(SAMPLE)
        sig[i] ^= 0x40
        assert not p256.verify(KEY, DIGEST, sig)


def _sign(d, k, e):
    """A signature with a chosen nonce, by the group law under test: for cases that no signer makes by chance."""
    x, _ = p256_curve.affine(p256_curve.joint(k, 0, *p256_curve.G))
    r = x % N
    return signature(r, p256_curve.inverse(k, N) * (e + r * d) % N)


def _key(d):
    x, y = p256_curve.affine(p256_curve.joint(d, 0, *p256_curve.G))
    return x.to_bytes(32, "big") + y.to_bytes(32, "big")


def test_sums_that_degenerate():
    e = int.from_bytes(DIGEST, "big")
    for d in (1, 2, 3, N - 1, N - 2, e % N, N - e % N):
        for k in (1, 2, 3, N - 1, 5):
            assert p256.verify(_key(d), DIGEST, _sign(d, k, e)), (d, k)
    # Key 1 is G and key N−1 is −G: the table then holds 2G and infinity. A digest of 0 leaves one scalar only.
    assert p256.verify(_key(1), bytes(32), _sign(1, 7, 0))
    assert p256.verify(_key(N - 1), bytes(32), _sign(N - 1, 7, 0))


def test_the_sum_at_infinity_is_no_signature():
    # With key d = −e/r both scalars cancel: u1·G + u2·Q = 0.
    e = int.from_bytes(DIGEST, "big")
    r = 12345
    d = (N - e) * p256_curve.inverse(r, N) % N
    assert not p256.verify(_key(d), DIGEST, signature(r, 77))
