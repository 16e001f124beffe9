"""Our manifests are everybody's JWS, and not every JWS is one of ours: with PyJWT and jwcrypto, on CPython and MicroPython."""

import base64
import hmac
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from core import golden
from host.rig import BOARD, HEALTH, image
from mulligan.core import base64url, jws
from mulligan.core import order as orders
from mulligan.core.errors import MulliganError
from mulligan_host import files, keys, release
from mulligan_host.build import build_package
from mulligan_host.micropython import MicroPython

jwk = pytest.importorskip("jwcrypto.jwk", reason="jwcrypto is not installed: run make setup")
jwcrypto = pytest.importorskip("jwcrypto.jws")

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = keys.raw_public(KEY.public_key())


def der(message: bytes) -> bytes:
    """The signature as OpenSSL writes it."""
    return KEY.sign(message, ec.ECDSA(hashes.SHA256()))


SIGNER = keys.Signer("key", PUBLIC, der)
KID = SIGNER.kid
PAYLOAD = b'{"any":"bytes","more":[1,2,3]}'


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def pyjwt_sign(key: Any, payload: bytes, alg: str, **header: Any) -> bytes:
    # It puts typ into the header unless told not to.
    make: Callable[..., str] = jwt.api_jws.encode
    return make(payload, key, alg, {"typ": None, **header}).encode()


def jwcrypto_sign(key: Any, payload: bytes, alg: str, **header: Any) -> bytes:
    token = jwcrypto.JWS(payload)
    ours = jwk.JWK(kty="oct", k=base64.urlsafe_b64encode(key).decode()) if isinstance(key, bytes) else jwk.JWK.from_pem(pem(key))
    token.allowed_algs = [alg]
    token.add_signature(ours, None, json.dumps({"alg": alg, **header}))
    compact: str = token.serialize(compact=True)
    return compact.encode()


def pyjwt_verify(token: bytes) -> bytes:
    payload: bytes = jwt.api_jws.decode(token, KEY.public_key(), algorithms=["ES256"])
    return payload


def jwcrypto_verify(token: bytes) -> bytes:
    found = jwcrypto.JWS()
    found.allowed_algs = ["ES256"]
    found.deserialize(token.decode(), jwk.JWK.from_pem(keys.public_pem(PUBLIC)))
    payload: bytes = found.payload
    return payload


SIGN = {"PyJWT": pyjwt_sign, "jwcrypto": jwcrypto_sign}
VERIFY = {"PyJWT": pyjwt_verify, "jwcrypto": jwcrypto_verify}


def b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def by_hand(header: dict[str, Any] | bytes, payload: bytes = PAYLOAD, sign: Callable[[bytes], bytes] = SIGNER.signature) -> bytes:
    """What no library makes."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    signed = b64(head) + b"." + b64(payload)
    return signed + b"." + b64(sign(signed))


@pytest.mark.parametrize("library", VERIFY)
def test_they_verify_ours(library: str, tmp_path: Path) -> None:
    directory = release.Directory(tmp_path / "rel")
    directory.build(release.Order(image("1.0.0"), [BOARD], HEALTH))
    manifest = directory.payload("1.0.0")
    directory.order("1.0.0", SIGNER, release.Targets(groups=["canary"]))
    order = files.read(directory.path / "orders" / "1.json")
    assert VERIFY[library](files.read(directory.channel_order("stable"))) == order
    for payload in (manifest, order, PAYLOAD, b"", b"\0\xff" * 9, *(bytes(range(n)) for n in range(20))):
        token = SIGNER.sign(payload)
        assert VERIFY[library](token) == payload
        assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": KID}
        head, body, signature = token.split(b".")
        for wrong in (head + b"." + b64(payload + b"x") + b"." + signature, head + b"." + body + b"." + b64(bytes(64))):
            with pytest.raises((jwt.InvalidTokenError, jwcrypto.InvalidJWSSignature)):
                VERIFY[library](wrong)


@pytest.mark.parametrize("library", SIGN)
def test_we_verify_theirs(library: str) -> None:
    for payload in (PAYLOAD, b"", b"\0\xff" * 9, *(bytes(range(n)) for n in range(20))):
        assert jws.verify(SIGN[library](KEY, payload, "ES256", kid=KID), {KID: PUBLIC}) == payload
    payload = base64url.decode(golden.ORDER.decode().split(".")[1])
    assert orders.parse(jws.verify(SIGN[library](KEY, payload, "ES256", kid=KID), {KID: PUBLIC})).sequence == 9


def confused() -> dict[str, bytes]:
    """Tokens that some verifier somewhere takes, or has taken. All of them ours must refuse."""
    other = ec.generate_private_key(ec.SECP256R1())
    public = keys.public_pem(PUBLIC)
    good = SIGNER.sign(PAYLOAD)
    head, body, signature = good.split(b".")
    their_jwk = json.loads(jwk.JWK.from_pem(keys.public_pem(keys.raw_public(other.public_key()))).export_public())
    detached = jwt.api_jws.encode(PAYLOAD, KEY, "ES256", {"kid": KID, "typ": None, "b64": False}, is_payload_detached=True)
    flattened = jwcrypto.JWS(PAYLOAD)
    flattened.add_signature(jwk.JWK.from_pem(pem(KEY)), None, json.dumps({"alg": "ES256", "kid": KID}))
    made = {
        "alg none, by PyJWT": pyjwt_sign(None, PAYLOAD, "none", kid=KID),
        "alg none, no kid": b64(b'{"alg":"none"}') + b"." + body + b".",
        "alg none, the right signature": b64(b'{"alg":"none","kid":"%s"}' % KID.encode()) + b"." + body + b"." + signature,
        "no alg": by_hand({"kid": KID}),
        "alg in lower case": by_hand({"alg": "es256", "kid": KID}),
        "alg as a list": by_hand({"alg": ["ES256"], "kid": KID}),
        "no kid": pyjwt_sign(KEY, PAYLOAD, "ES256"),
        "another kid": pyjwt_sign(KEY, PAYLOAD, "ES256", kid="0" * 12),
        "kid as a path": pyjwt_sign(KEY, PAYLOAD, "ES256", kid="../../dev/null"),
        "another key": pyjwt_sign(other, PAYLOAD, "ES256", kid=KID),
        "another curve": pyjwt_sign(ec.generate_private_key(ec.SECP384R1()), PAYLOAD, "ES384", kid=KID),
        "another curve, called ES256": by_hand({"alg": "ES256", "kid": KID}, sign=lambda signed: bytes(48) + b"\1" * 48),
        "RSA": jwcrypto_sign(rsa.generate_private_key(65537, 2048), PAYLOAD, "RS256", kid=KID),
        "typ": pyjwt_sign(KEY, PAYLOAD, "ES256", kid=KID, typ="JWT"),
        "jwk": pyjwt_sign(other, PAYLOAD, "ES256", kid=KID, jwk=their_jwk),
        "jwk, rightly signed": pyjwt_sign(KEY, PAYLOAD, "ES256", kid=KID, jwk=their_jwk),
        "jku": jwcrypto_sign(KEY, PAYLOAD, "ES256", kid=KID, jku="https://example.org/keys"),
        "x5u": jwcrypto_sign(KEY, PAYLOAD, "ES256", kid=KID, x5u="https://example.org/certificate"),
        "x5c": by_hand({"alg": "ES256", "kid": KID, "x5c": ["MIIB"]}),
        "crit": by_hand({"alg": "ES256", "kid": KID, "crit": ["exp"], "exp": 1}),
        "crit, empty": by_hand({"alg": "ES256", "kid": KID, "crit": []}),
        "b64 false": by_hand({"alg": "ES256", "kid": KID, "b64": False}),
        "b64 false, by PyJWT": detached.encode(),
        "b64 true": by_hand({"alg": "ES256", "kid": KID, "b64": True}),
        "zip": by_hand({"alg": "ES256", "kid": KID, "zip": "DEF"}),
        "detached payload": head + b".." + signature,
        "JSON, flattened": flattened.serialize(compact=False).encode(),
        "JSON in place of the header": b64(good) + b"." + body + b"." + signature,
        "five parts, as JWE": good + b"." + body + b"." + signature,
        "signature in DER": by_hand({"alg": "ES256", "kid": KID}, sign=der),
        "signature of nothing": by_hand({"alg": "ES256", "kid": KID}, sign=lambda signed: bytes(64)),
        "signature over the payload alone": by_hand({"alg": "ES256", "kid": KID}, sign=lambda signed: SIGNER.signature(PAYLOAD)),
        "padded": good + b"==",
        "alg twice": by_hand(b'{"alg":"none","alg":"ES256","kid":"%s"}' % KID.encode()),
        "header with a NUL": by_hand(b'{"alg":"ES256\\u0000","kid":"%s"}' % KID.encode()),
        "header with a byte order mark": by_hand(b'\xef\xbb\xbf{"alg":"ES256","kid":"%s"}' % KID.encode()),
        "header with something after it": by_hand(b'{"alg":"ES256","kid":"%s"}{}' % KID.encode()),
        "our signature, spelled otherwise": good[:-1] + bytes([good[-1] + 1]),  # the last two bits stand for nothing
        "a blank before it": b" " + good,
        "a line end after it": good + b"\n",
    }  # fmt: skip
    for name, secret in (("x‖y", PUBLIC), ("uncompressed", b"\4" + PUBLIC), ("PEM", public), ("PEM, stripped", public.strip())):
        for alg, digest in (("HS256", "sha256"), ("ES256", "sha256"), ("HS512", "sha512")):
            signed = b64(json.dumps({"alg": alg, "kid": KID}).encode()) + b"." + body
            token = signed + b"." + b64(hmac.digest(secret, signed, digest))
            made[f"HMAC with the public key as {name}, called {alg}"] = token
        made[f"HS256 with the public key as {name}, by jwcrypto"] = jwcrypto_sign(secret, PAYLOAD, "HS256", kid=KID)
    return made


CONFUSED = confused()


@pytest.mark.parametrize("name", CONFUSED)
def test_we_refuse(name: str) -> None:
    with pytest.raises(MulliganError):
        jws.verify(CONFUSED[name], {KID: PUBLIC})


SCRIPT = """
import sys
from binascii import unhexlify
from mulligan.core import base64url, jws
from mulligan.core import order as orders
from mulligan.core.errors import MulliganError
keys = {sys.argv[1]: unhexlify(sys.argv[2])}
for line in sys.stdin:
    try:
        print("taken", jws.verify(unhexlify(line.strip()), keys))
    except MulliganError as e:
        print("refused", e.code)
"""


def test_the_device_does_the_same(micropythons: list[MicroPython], tmp_path: Path) -> None:
    """On real MicroPython, whose json and whose str are laxer."""
    good = [SIGNER.sign(PAYLOAD), *(SIGN[library](KEY, PAYLOAD, "ES256", kid=KID) for library in SIGN)]
    tokens = [*good, *CONFUSED.values()]
    for mp in micropythons:
        (tmp_path / "verify.py").write_text(f"import sys\nsys.path.insert(0, {str(build_package(mp))!r})\n{SCRIPT}")
        given = "".join(token.hex() + "\n" for token in tokens)
        command = mp.command(tmp_path / "verify.py", KID, PUBLIC.hex())
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120)
        assert done.stderr == ""
        said = done.stdout.splitlines()
        assert said[: len(good)] == [f"taken {PAYLOAD!r}"] * len(good)
        for name, line in zip(CONFUSED, said[len(good) :], strict=True):
            assert line in ("refused 10", "refused 20"), (mp.label, name)
