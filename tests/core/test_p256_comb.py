from hashlib import sha256

from common import raises
from core import counted, golden, shamir
from core.shamir import N, P, comb_hint, comb_table, combs, multiple, raw, sign
from mulligan.core import p256, p256_comb
from mulligan.core.errors import FormatError

DIGEST = sha256(b"sample").digest()
E = int.from_bytes(DIGEST, "big")
# Private keys: none in particular, those of G and -G, and those of what the combs of G hold.
KEYS = (0xC0FFEE << 200 | 12345, 1, N - 1, 2**128, (1 << 128) - 1)


class Source:
    """A table in flash."""

    def __init__(self, data):
        self.data = data
        self.most = 0

    def readinto(self, at, buf):
        assert 0 <= at <= at + len(buf) <= len(self.data)
        buf[:] = self.data[at : at + len(buf)]
        self.most = max(self.most, len(buf))


def pinned(d, width):
    """(Key, combs, 64 bytes, table)."""
    point = multiple(d)
    both = combs(point, width)
    table = comb_table(both)
    return p256.Key(raw(*point), table), both, raw(*point), table


def test_golden_table():
    """Made by python-ecdsa, without our own maker."""
    key = p256.Key(golden.PUBLIC_KEY, golden.COMB_TABLE)
    assert key.seal() == sha256(golden.PUBLIC_KEY + golden.COMB_TABLE).digest()


def test_each_width_with_and_without_a_hint():
    for width in range(p256_comb.MIN_WIDTH, 6):
        key, both, _, table = pinned(KEYS[0], width)
        assert len(table) == p256_comb.table_size(width)
        for k in (1, 2**130 + 1, N - 1):
            signature = sign(KEYS[0], k, E)
            hint = comb_hint(both, DIGEST, signature)
            assert len(hint) == p256_comb.hint_size(width)
            wrong = bytearray(signature)
            wrong[k % 64] ^= 1
            for each in (None, hint[:32], hint):
                assert key.verify(DIGEST, signature, each) is True
                assert key.verify(DIGEST, wrong, each) is False


def test_a_whole_hint_saves_the_sum_and_a_false_one_does_not_matter():
    width = 4
    key, both, public, table = pinned(KEYS[0], width)
    signature = sign(KEYS[0], 99, E)
    hint = comb_hint(both, DIGEST, signature)
    _, least = counted.count(key.verify, DIGEST, signature, hint)
    _, without = counted.count(key.verify, DIGEST, signature)
    assert least["*"] * 2 < without["*"]
    for at in (0, 31, 32, 63, 64, 127, 128, 129, 2000, len(hint) - 33, len(hint) - 1):
        false = bytearray(hint)
        false[at] ^= 1
        assert p256.Key(public, hint=false).verify(DIGEST, signature) is True
        good, operations = counted.count(key.verify, DIGEST, signature, false)
        assert good is True
        assert operations["*"] == least["*"] if at < 32 else operations["*"] > without["*"]
    for false in (hint[:-1], hint + b"\0", bytes(len(hint)), b"\xff" * len(hint), raw(N)):
        assert key.verify(DIGEST, signature, false) is True
        assert p256.Key(public, hint=false).verify(DIGEST, signature) is True
    # One false slope, from which all the others go on rightly: each is checked by itself.
    r, w = [int.from_bytes(part[:32], "big") for part in (signature, hint)]
    for line in (0, 1, 2, 3, len(hint) // 32 - 2):
        forged = comb_hint(both, DIGEST, signature, {line: 5})
        assert p256_comb.Table(table).hinted_has_x(E * w % N, r * w % N, forged, (r,)) is None, line
        assert key.verify(DIGEST, signature, forged) is True
    # A hint for another signature, for another width, and one that was pinned and is overruled.
    other = sign(KEYS[0], 98, E)
    narrow = comb_hint(combs(multiple(KEYS[0]), 2), DIGEST, signature)
    assert key.verify(DIGEST, other, hint) and key.verify(DIGEST, signature, narrow)
    assert p256.Key(public, table, hint).verify(DIGEST, other, comb_hint(both, DIGEST, other))


def test_keys_and_scalars_that_make_points_meet():
    for d in KEYS:
        key, both, _, _ = pinned(d, 2)
        cases = []
        for k in (1, 2**128 + 1):
            r = multiple(k)[0] % N
            # With e = ±r the two scalars are equal or opposite: in every column for the keys 1 and -1.
            for e in (r, N - r, 0, d * r % N, (N - d) * r % N):
                if (e + r * d) % N:
                    cases.append((k, raw(e), sign(d, k, e)))
        for k, digest, signature in cases:
            hint = comb_hint(both, digest, signature) if k == 1 else bytes(p256_comb.hint_size(2))
            for each in (None, hint):
                assert key.verify(digest, signature, each), (d, digest, signature)
            assert not key.verify(digest, raw(N - 1) + signature[32:], hint)


def test_the_sum_at_infinity_is_no_signature():
    for d in (1, N - 1, KEYS[0]):
        key, both, _, _ = pinned(d, 2)
        r = (N - E) * shamir.inverse(d, N) % N
        for s in (1, 77, N - 1):
            for hint in (None, bytes(p256_comb.hint_size(2)), raw(shamir.inverse(s, N)) + bytes(p256_comb.hint_size(2) - 32)):
                assert key.verify(DIGEST, raw(r, s), hint) is False
        # The x coordinate of the point that was added last is no r either.
        for point in both[1]:
            for s in range(1, 5):
                assert key.verify(raw(N - point[0] * d % N), raw(point[0] % N, s)) is False


def test_a_slope_between_equal_points_is_not_believed():
    # The key is G and both scalars are the same, so the first addition is a doubling: of its slope a multiplication by
    # 0 says nothing. The hint goes on from a point that was made up, every later slope right.
    r = multiple(7)[0] % N
    signature = sign(1, 7, r)
    key, both, _, table = pinned(1, 2)
    assert comb_hint(both, raw(r), signature) == b""
    hint = comb_hint(both, raw(r), signature, {0: 5})
    assert len(hint) == p256_comb.hint_size(2)
    u = r * int.from_bytes(hint[:32], "big") % N
    assert p256_comb.Table(table).hinted_has_x(u, u, hint, (r,)) is None
    assert key.verify(raw(r), signature, hint)
    # So it is in a later column. Both scalars are 1: the first column leaves 2**128 - 1 of G and of the key, the second begins
    # with -(2**128 + 1) of G, and the key is what makes them one point.
    d = (N - (1 << 129)) * shamir.inverse((1 << 128) - 1, N) % N
    r = multiple(d + 1)[0] % N
    key, both, _, table = pinned(d, 2)
    assert comb_hint(both, raw(r), raw(r, r)) == b""
    hint = comb_hint(both, raw(r), raw(r, r), {1: 5})
    assert len(hint) == p256_comb.hint_size(2)
    assert p256_comb.Table(table).hinted_has_x(1, 1, hint, (r,)) is None
    assert key.verify(raw(r), raw(r, r), hint)


def test_a_table_in_flash_is_read_a_point_at_a_time():
    _, both, public, table = pinned(KEYS[0], 4)
    source = Source(table)
    key = p256.Key(public, source)
    signature = sign(KEYS[0], 5, E)
    for hint in (None, comb_hint(both, DIGEST, signature)):
        assert key.verify(DIGEST, signature, hint)
    assert key.seal() == p256.Key(public, memoryview(table)).seal() == sha256(public + table).digest()
    assert source.most == p256_comb.POINT


def test_a_table_with_a_single_wrong_point_is_refused():
    _, both, public, table = pinned(KEYS[0], 3)
    seal = p256.Key(public, table).seal()
    assert p256.Key(public, table, seal=seal).seal() == seal
    bad = [b"", b"\0", table[:7], table[:8], table[:-1], table + b"\0", b"M" * len(table), table[:4] + b"\2" + table[5:]]
    for width in (0, 1, 2, 4, 9, 255):
        bad.append(table[:5] + bytes((width,)) + table[6:])
        if not p256_comb.MIN_WIDTH <= width <= p256_comb.MAX_WIDTH:
            raises(FormatError, p256_comb.Table, Source(bad[-1]))  # where no length gives it away
    half = 4 * 64
    for i in range(8):
        at = 8 + 64 * i
        entry = table[at : at + 64]
        x, y = [int.from_bytes(part, "big") for part in (entry[:32], entry[32:])]
        other = table[8 : 8 + 64] if i else table[72 : 72 + 64]
        for wrong in (raw(x, P - y), raw(y, x), raw(x ^ 1, y), raw(x, y ^ 1), bytes(64), raw(0, 1), other):
            bad.append(table[:at] + wrong + table[at + 64 :])
    bad.append(table[:8] + table[8 + half :] + table[8 : 8 + half])  # the combs the wrong way round
    bad.append(table[: 8 + half] * 1 + table[8 : 8 + half])  # twice that of G
    bad.append(comb_table(combs(multiple(5), 3)))  # of another key
    bad.append(comb_table(combs(multiple(N - KEYS[0]), 3)))
    # Consistent among themselves: points that are 3 times what they should be, or all one and the same point away from it.
    bad.append(comb_table([both[0], [multiple(3, point) for point in both[1]]]))
    for i in (0, 1):
        moved = list(both)
        moved[i] = [shamir.affine(shamir.add(point + (1,), multiple(99))) for point in both[i]]
        bad.append(comb_table(moved))
    for each in bad:
        raises(FormatError, p256.Key, public, each)
        raises(FormatError, p256.Key, public, each, None, seal)
    raises(FormatError, p256.Key, public, table, None, bytes(32))
    raises(FormatError, p256.Key, raw(*multiple(5)), table, None, seal)


def test_field_multiplications():
    """The cost of each way, counted. The base line, joint Shamir, takes 4177 for the average signature."""
    public = raw(*multiple(KEYS[0]))
    signature = sign(KEYS[0], 2**200 + 3, E)
    assert counted.count(p256.verify, public, DIGEST, signature)[1]["*"] < 4000
    for width, without, hinted in ((4, 1904, 508), (5, 1544, 412)):
        key, both, _, _ = pinned(KEYS[0], width)
        hint = comb_hint(both, DIGEST, signature)
        assert counted.count(key.verify, DIGEST, signature)[1]["*"] == without
        assert counted.count(key.verify, DIGEST, signature, hint)[1]["*"] == hinted
        d = p256_comb.spacing(width)
        # d - 1 doublings, all additions but the first, and a comparison.
        assert without == 8 * (d - 1) + 11 * (2 * d - 1) + 3
        assert hinted == 8 * (d - 1) + 3 + 1
