"""The signed documents, read from their golden bytes as test_golden.py reads the binary formats."""

from hashlib import sha256

from common import raises, rules
from core import golden
from mulligan.core import base64url, jws, manifest, order
from mulligan.core.errors import FormatError, MulliganError, SignatureError

HEAP = "128k"
ONES, TWOS = [bytes([n]) * 32 for n in (0x11, 0x22)]
RULES = rules(2, 4000, 2000, 14, 60000)


def test_manifest():
    keys = {"c87fc21e17bd": golden.PUBLIC_KEY}
    assert jws.verify(golden.TOKEN, keys) == golden.PAYLOAD
    signed, _, signature = golden.TOKEN.decode().rpartition(".")
    assert jws.signing_input("c87fc21e17bd", golden.PAYLOAD) == signed.encode()
    assert jws.assemble(signed.encode(), base64url.decode(signature)) == golden.TOKEN
    m = manifest.parse(golden.PAYLOAD)
    assert (m.release, m.sequence, m.issued, m.expires) == ("1.1.0", 6, 1750000000, 1790000000)
    assert (m.boards, m.boot_ms, len(m.artifacts)) == (["virtual"], 1500, 1)
    index = manifest.Blob(len(golden.PATCH_INDEX), sha256(golden.PATCH_INDEX).digest())
    assert m.artifacts[0] == manifest.Artifact(
        "model", "digits", "1.1.0", 6, 31423, ONES, manifest.Blob(25060, TWOS), index, {"firmware": "1.23.0"}, None, 0, 0, RULES
    )


def test_patch_index():
    assert manifest.parse_index(golden.PATCH_INDEX) == [manifest.Patch(ONES, 3557, TWOS, 0)]


def test_a_golden_token_is_no_other_token():
    keys = {"c87fc21e17bd": golden.PUBLIC_KEY}
    head, _, signature = golden.TOKEN.split(b".")
    changed = base64url.encode(golden.PAYLOAD.replace(b'"sequence":6', b'"sequence":7')).encode()
    raises(SignatureError, jws.verify, b".".join([head, changed, signature]), keys)
    raises(MulliganError, jws.verify, golden.TOKEN[:-1], keys)


def test_order():
    keys = {"a5ca160cb9e1": golden.FLEET_KEY}
    payload = jws.verify(golden.ORDER, keys)
    assert order.parse(payload) == order.Order(
        9, 1750000000, 1752592000, sha256(golden.PAYLOAD).digest(), "stable", None, ["canary"], ["board-7", "board-8"]
    )
    signed, _, signature = golden.ORDER.decode().rpartition(".")
    assert jws.signing_input("a5ca160cb9e1", payload) == signed.encode()
    assert jws.assemble(signed.encode(), base64url.decode(signature)) == golden.ORDER


def test_a_golden_order_is_no_manifest_and_the_reverse():
    payload = jws.verify(golden.ORDER, {"a5ca160cb9e1": golden.FLEET_KEY})
    raises(FormatError, manifest.parse, payload)
    raises(FormatError, order.parse, golden.PAYLOAD)
    raises(SignatureError, jws.verify, golden.ORDER, {"c87fc21e17bd": golden.PUBLIC_KEY})
    raises(SignatureError, jws.verify, golden.TOKEN, {"a5ca160cb9e1": golden.FLEET_KEY})
