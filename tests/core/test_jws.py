from common import raises
from core import shamir
from mulligan.core import base64url, jws, p256
from mulligan.core.errors import FormatError, MulliganError, SignatureError
from mulligan.core.limits import MAX_HINT, MAX_TOKEN

N = shamir.N
PRIVATE = 0x1234567890ABCDEF1234567890ABCDEF
PUBLIC = shamir.public(PRIVATE)


def sign(signed):
    return shamir.signed(PRIVATE, signed)


def token(header, payload=b"{}"):
    signed = (base64url.encode(header) + "." + base64url.encode(payload)).encode()
    return signed + b"." + base64url.encode(sign(signed)).encode()


KEYS = {"k1": PUBLIC}


def test_round_trip():
    signed = jws.signing_input("k1", b"payload")
    assert jws.verify(jws.assemble(signed, sign(signed)), KEYS) == b"payload"


def test_headers_that_are_not_exactly_ours():
    assert jws.verify(token(b'{"kid":"k1","alg":"ES256"}'), KEYS) == b"{}"
    for header in (
        b'{"alg":"none","kid":"k1"}', b'{"alg":"HS256","kid":"k1"}', b'{"alg":"ES256"}', b'{"kid":"k1"}',
        b'{"alg":"ES256","kid":"k2"}', b'{"alg":"ES256","kid":1}', b'{"alg":"ES256","kid":["k1"]}',
        b'{"alg":"ES256","kid":"k1","crit":["b64"],"b64":false}',
        b'{"alg":"ES256","kid":"k1","jwk":{}}', b'{"alg":"ES256","kid":"k1","x5u":"u"}', b'["ES256"]', b"1",
        b'{"alg":"es256","kid":"k1"}',
    ):  # fmt: skip
        raises(SignatureError, jws.verify, token(header), KEYS)
    long = b'{"alg":"ES256","kid":"k1","x":"' + b"a" * 200 + b'"}'
    for header in (b'{"alg":"none","alg":"ES256","kid":"k1"}', b"{", b"", long):
        raises(FormatError, jws.verify, token(header), KEYS)


def test_every_changed_character_is_refused():
    good = token(b'{"alg":"ES256","kid":"k1"}', b'{"a":1}')
    step = 11
    for i in range(0, len(good), step):
        changed = bytearray(good)
        changed[i] = 0x41 if changed[i] != 0x41 else 0x42
        raises(MulliganError, jws.verify, bytes(changed), KEYS)
    for end in range(0, len(good), step):
        raises(MulliganError, jws.verify, good[:end], KEYS)


def test_a_hint_beside_the_token():
    """Right, false, missing or garbage: it is verified all the same, and never by a hint alone."""
    bare = token(b'{"alg":"ES256","kid":"k1"}')
    s = int.from_bytes(jws.signature(bare)[32:], "big")
    right = shamir.inverse(s, N).to_bytes(32, "big")
    assert jws.split(jws.beside(bare, right)) == (bare, right) and jws.split(bare) == (bare, None)
    for hint in (right, bytes(32), b"\xff" * 32, (N - 1).to_bytes(32, "big")):
        found, beside = jws.split(jws.beside(bare, hint))
        assert (found, beside) == (bare, hint)
        assert jws.verify(found, KEYS, beside) == jws.verify(found, {"k1": p256.Key(PUBLIC, None, beside)}) == b"{}"
        raises(SignatureError, jws.verify, found, {"k1": shamir.public(PRIVATE + 1)}, beside)
        assert p256.holds(beside, jws.signature(found)) is (hint == right)
    for garbage in (b"", b"~", b"x", b"~~", b"!" * 43, b"A" * 42, b"A" * 44, b"\xff" * 43, b"A" * 42 + b"B", b"A" * 42 + b"\n"):
        assert jws.split(bare + b"~" + garbage) == (bare, None)


def test_a_file_has_room_for_the_longest_token_and_a_hint():
    longest = jws.beside(b"a" * MAX_TOKEN, bytes(32))
    assert len(longest) == MAX_TOKEN + MAX_HINT and jws.split(longest) == (b"a" * MAX_TOKEN, bytes(32))
    raises(FormatError, jws.split, longest + b"A")
    raises(FormatError, jws.verify, jws.split(b"a" * (MAX_TOKEN + 1))[0], KEYS)


def test_shapes_that_are_no_token():
    good = token(b'{"alg":"ES256","kid":"k1"}')
    for bad in (b"", b"..", b"...", good + b".x", good + b"=", good.replace(b".", b" "), b"\xff" + good, good + b"\n"):
        raises(MulliganError, jws.verify, bad, KEYS)
    raises(FormatError, jws.verify, b"a" * (MAX_TOKEN + 1), KEYS)
    # A stripped signature, and one taken from another payload.
    head, payload, _ = good.split(b".")
    raises(SignatureError, jws.verify, head + b"." + payload + b".", KEYS)
    raises(SignatureError, jws.verify, head + b"." + base64url.encode(b'{"b":2}').encode() + b"." + good.split(b".")[2], KEYS)


def test_a_payload_that_is_too_long_is_not_signed():
    signed = jws.signing_input("k1", b"x" * 3000)
    raises(FormatError, jws.assemble, signed, bytes(64))


def test_base64url_has_one_spelling():
    for n in range(5):
        data = bytes(range(250, 250 + n))
        assert base64url.decode(base64url.encode(data)) == data
    for text in ("A", "AB", "A-=", "AA==", "A A", "A\nAA", "+AAA", "/AAA", "AAAAA", "-_é"):
        raises(FormatError, base64url.decode, text)
