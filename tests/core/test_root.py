from hashlib import sha256

from common import raises
from core import shamir
from mulligan.core import p256, root
from mulligan.core.errors import FormatError, MulliganError, RootError
from mulligan.core.keyset import key_id
from mulligan.core.root import FLEET, RELEASE, ROOT, Key
from mulligan.core.state import Entry, State

HEAP = "128k"
PUBLIC = [shamir.public(private) for private in range(1, 8)]


def made(number=1, threshold=1, roots=(0,), others=((3, RELEASE),), ceiling=None, expires=0):
    """A Root: ``roots`` are indexes of root keys, ``others`` (index, roles)."""
    keys = [Key(PUBLIC[i], ROOT) for i in roots] + [Key(PUBLIC[i], roles) for i, roles in others]
    return root.make(number, 1750000000, expires, threshold, ceiling, keys)


def stamp(public, body):
    """What stands for a signature where the decision is tested, not the arithmetic."""
    return sha256(public + sha256(root.signing_bytes(body)).digest()).digest() * 2


def checks(public, digest, signature):
    return signature == sha256(public + digest).digest() * 2


def signed(new, signers):
    body = root.encode(new)
    return root.unpack(root.pack(body, {key_id(PUBLIC[i]): stamp(PUBLIC[i], body) for i in signers}))


def test_round_trip():
    for new in (made(), made(7, 2, (0, 1, 2), ((0 + 3, RELEASE), (4, FLEET), (5, RELEASE | FLEET)), 0), made(ceiling=0xFFFFFFFF)):
        body = root.encode(new)
        assert root.decode(body) == new
        data = root.pack(body, {"0a" * 6: b"b" * 64, "09" * 6: b"a" * 64})
        found = root.unpack(data + b"\xff" * 50)
        assert (found.root, found.body) == (new, body)
        assert found.signatures == {"0a" * 6: b"b" * 64, "09" * 6: b"a" * 64}
        assert root.length(found) == len(data) <= root.MAX_LENGTH


def test_roles():
    new = made(1, 1, (0,), ((3, RELEASE), (4, FLEET), (5, RELEASE | FLEET)))
    kids = [key_id(public) for public in PUBLIC]
    assert root.keys_for(new, ROOT) == {kids[0]: PUBLIC[0]}
    assert root.keys_for(new, RELEASE) == {kids[3]: PUBLIC[3], kids[5]: PUBLIC[5]}
    assert root.keys_for(new, FLEET) == {kids[4]: PUBLIC[4], kids[5]: PUBLIC[5]}


def test_one_spelling():
    """Whatever decode() takes, encode() gives back: every other spelling of a root is refused."""
    body = root.encode(made(3, 2, (0, 1), ((3, RELEASE), (4, FLEET)), 9))
    for at in range(len(body)):
        for flip in (1, 0x80):
            changed = bytearray(body)
            changed[at] ^= flip
            try:
                assert root.encode(root.decode(bytes(changed))) == changed
            except FormatError:
                pass
    for bad in (body[:-1], body + b"\0", b"", body[:24]):
        raises(FormatError, root.decode, bad)
    keys = [body[24 + 65 * i : 89 + 65 * i] for i in range(4)]
    raises(FormatError, root.decode, body[:24] + b"".join(reversed(keys)))
    raises(FormatError, root.decode, body[:24] + keys[0] + keys[0] + keys[2] + keys[3])
    plain = bytearray(root.encode(made()))
    plain[20] = 1  # a ceiling without its flag
    raises(FormatError, root.decode, bytes(plain))


def test_what_is_no_root():
    for bad in (
        {"number": 0}, {"number": 1 << 32}, {"threshold": 0}, {"threshold": 2}, {"ceiling": 1 << 32}, {"expires": -1},
        {"roots": ()}, {"roots": (0, 0)}, {"others": ((0, RELEASE),)}, {"others": ((3, 0),)}, {"others": ((3, 8),)},
    ):  # fmt: skip
        raises(FormatError, lambda bad=bad: made(**bad))
    keys = [Key(bytes([i]) * 64, ROOT) for i in range(root.MAX_KEYS + 1)]
    keys.sort(key=lambda key: key_id(key.public))
    raises(FormatError, root.make, 1, 0, 0, 1, None, keys)
    body = bytearray(root.encode(root.make(1, 0, 0, 1, None, keys[:-1])))
    body[7] += 1
    raises(FormatError, root.decode, bytes(body) + b"\1" + keys[-1].public)


def test_damaged_signatures():
    body = root.encode(made())
    data = root.pack(body, {"0a" * 6: b"b" * 64, "09" * 6: b"a" * 64})
    for end in range(len(data)):
        raises(FormatError, root.unpack, data[:end])
    one, other = data[len(body) + 1 : -70], data[-70:]
    for pair in (other + one, one + one):
        raises(FormatError, root.unpack, body + b"\2" + pair)
    many = [bytes([i]) * 70 for i in range(root.MAX_SIGNATURES + 1)]
    assert len(root.unpack(body + bytes([len(many) - 1]) + b"".join(many)).signatures) == root.MAX_SIGNATURES
    raises(FormatError, root.unpack, body + bytes([len(many)]) + b"".join(many))
    raises(FormatError, root.pack, body, {"0a" * 6: b"short"})
    raises(FormatError, root.pack, body, {"{:012x}".format(i): bytes(64) for i in range(root.MAX_SIGNATURES + 1)})


def test_a_rotation_needs_both_thresholds():
    old = made(4, 2, (0, 1, 2))
    new = made(5, 2, (2, 3, 4), ((5, RELEASE),))
    for bits in range(128):
        signers = [i for i in range(7) if bits >> i & 1]
        enough = len({0, 1, 2}.intersection(signers)) >= 2 and len({2, 3, 4}.intersection(signers)) >= 2
        candidate = signed(new, signers)
        if enough:
            assert root.accept(old, candidate, checks) == new
        else:
            raises(RootError, root.accept, old, candidate, checks)


def test_only_the_very_next_number():
    old = made(4)
    for number in range(1, 9):
        candidate = signed(made(number, others=((4, RELEASE),)), (0,))
        if number == 5:
            assert root.accept(old, candidate, checks).number == 5
        else:
            raises(RootError, root.accept, old, candidate, checks)
    top = made(0xFFFFFFFF)
    raises(RootError, root.accept, top, signed(made(1), (0,)), checks)


def test_one_key_counts_once():
    old = made(1, 2, (0, 1))
    new = made(2, 2, (0, 1))
    body = root.encode(new)
    mine = stamp(PUBLIC[0], body)
    # Under its own name once more, under the name of another key, and under no key's name.
    for name in (key_id(PUBLIC[1]), key_id(PUBLIC[3]), "ff" * 6):
        candidate = root.unpack(root.pack(body, {key_id(PUBLIC[0]): mine, name: mine}))
        raises(RootError, root.accept, old, candidate, checks)
    twice = bytearray(root.pack(body, {key_id(PUBLIC[0]): mine}))
    twice[len(body)] = 2
    raises(FormatError, root.unpack, bytes(twice) + bytes(twice[-70:]))


def test_a_release_key_can_not_rotate():
    old = made(1, 1, (0,), ((3, RELEASE), (4, FLEET), (5, RELEASE | FLEET)))
    for thief in (3, 4, 5):
        mine = made(2, 1, (thief,), ())
        raises(RootError, root.accept, old, signed(mine, (thief,)), checks)
        raises(RootError, root.accept, old, signed(made(2), (3, 4, 5)), checks)


def test_a_signature_is_over_these_bytes():
    old, new = made(1), made(2)
    body = root.encode(new)
    kid = key_id(PUBLIC[0])
    for other in (body + b"\0", root.encode(made(2, ceiling=0)), root.encode(old)):
        candidate = root.unpack(root.pack(body, {kid: stamp(PUBLIC[0], other)}))
        raises(RootError, root.accept, old, candidate, checks)
    # Without the context: a signature that some other tool made over the same bytes.
    plain = sha256(PUBLIC[0] + sha256(body).digest()).digest() * 2
    raises(RootError, root.accept, old, root.unpack(root.pack(body, {kid: plain})), checks)


def test_bounded_work():
    """A signature is only verified where it can count, and no more of them than a threshold needs."""
    calls = []

    def counting(public, digest, signature):
        calls.append(public)
        return checks(public, digest, signature)

    old, new = made(1, 2, (0, 1, 2)), made(2, 1, (0, 1))
    root.accept(old, signed(new, range(7)), counting)
    assert len(calls) == 3
    for _ in root.accepting(old, signed(new, range(7)), counting):
        assert len(calls) <= 6
    assert len(calls) == 6


def test_with_real_signatures():
    old = made(1, 2, (0, 1))
    new = made(2, 1, (1,), ((3, RELEASE),), ceiling=12)
    body = root.encode(new)
    message = root.signing_bytes(body)
    both = {key_id(PUBLIC[i]): shamir.signed(i + 1, message) for i in (0, 1)}
    assert root.accept(old, root.unpack(root.pack(body, both)), p256.verify) == new
    both[key_id(PUBLIC[0])] = shamir.signed(1, body)
    raises(RootError, root.accept, old, root.unpack(root.pack(body, both)), p256.verify)


def test_a_ceiling_lowers_and_never_raises():
    state = State()
    for pair, floor, hard in ((0, 0xFFFFFFFF, 0xFFFFFFFF), (1, 40, 3), (2, 57, 57)):
        entry = Entry("model", str(pair), pair)
        entry.floor, entry.hard_floor = floor, hard
        state.entries.append(entry)
    state.sequence, state.order, state.time = 0xFFFFFFFF, 56, 4000000000
    root.lower(state, root.Root(2, 1750000000, 0, 1, 57, ()))
    assert (state.sequence, state.order, state.time) == (57, 56, 1750000000)
    assert [(e.floor, e.hard_floor) for e in state.entries] == [(57, 57), (40, 3), (57, 57)]
    root.lower(state, root.Root(3, 1760000000, 0, 1, 100, ()))
    root.lower(state, root.Root(4, 0, 0, 1, None, ()))
    assert (state.sequence, state.order, state.time) == (57, 56, 1750000000)


def test_a_key_off_the_curve_signs_nothing():
    off = PUBLIC[0][:32] + PUBLIC[1][32:]
    new = root.make(2, 0, 0, 1, None, [Key(off, ROOT)])
    body = root.encode(new)
    for signature in (bytes(64), b"\xff" * 64, shamir.signed(1, root.signing_bytes(body))):
        candidate = root.unpack(root.pack(body, {root.key_id(off): signature}))
        raises(RootError, root.accept, root.Root(1, *new[1:]), candidate, p256.verify)


def test_hostile_bytes_raise_nothing_else():
    data = root.pack(root.encode(made(2, 1, (0, 1))), {key_id(PUBLIC[0]): bytes(64)})
    seed = 1
    for _ in range(400):
        raw = bytearray(data)
        for _ in range(2):
            seed = (seed * 1103515245 + 12345) & 0x3FFFFFFF
            raw[seed % len(raw)] = seed >> 16 & 0xFF
        try:
            root.unpack(raw)
        except MulliganError:
            pass
