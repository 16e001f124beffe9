"""What signs: PEM files, PKCS#11 tokens (a real one, SoftHSM2's) and commands; and that no private key ever shows."""

import base64
import json
import os
import pty
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from host import softhsm
from host.commands import mulligan
from host.refusals import assert_error
from host.rig import BOARD, HEALTH, image
from mulligan.core import p256
from mulligan_host import combs, command, hsm, keys, release, signers
from mulligan_host.errors import HostError
from mulligan_host.virtual.flash import SIZE_4MB

PIN = "correct horse; 42%"
MESSAGE = b"what is signed"


def fails(*arguments: str, **environment: str) -> str:
    done = mulligan(*arguments, **environment)
    assert_error(done.returncode, done.stderr)
    return done.stderr


def no_secret(variable: str, what: str) -> str:
    raise HostError(f"{what} is needed")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a key and a built release, entered."""
    keys.create(tmp_path / "k.pem")
    release.Directory(tmp_path / "rel").build(release.Order(image("1.0.0"), [BOARD], HEALTH))
    monkeypatch.chdir(tmp_path)
    return tmp_path


SIGN = ("release", "sign", "--dir", "rel", "1.0.0", "--key")


# Signatures, wherever they come from


def test_a_signature_leaves_only_as_the_public_key_verifies_it() -> None:
    good = keys.Signer.generate()
    raw = good.signature(MESSAGE)
    r, s = raw[:32], raw[32:]

    def der(first: bytes, second: bytes) -> bytes:
        body = b"".join(bytes([2, len(n)]) + n for n in (first, second))
        return bytes([0x30, len(body)]) + body

    def positive(n: bytes) -> bytes:
        n = n.lstrip(b"\0")
        return b"\0" * (n[0] >> 7) + n

    def given(answer: bytes) -> bytes:
        return keys.Signer("it", good.public, lambda message: answer).signature(MESSAGE)

    rightly = der(positive(r), positive(s))
    assert given(raw) == given(rightly) == raw
    wrong = [b"", b"\0", raw[:-1], raw + b"\0", r, bytes(64), b"\xff" * 64, r + bytes(32), s + r, rightly + b"\0", rightly[:-1]]
    wrong += [der(b"\0" + positive(r), positive(s)), b"\x31" + rightly[1:], der(b"\xff" + r, s), der(bytes(1), bytes(1))]
    wrong += [
        keys.Signer.generate().signature(MESSAGE),
        good.signature(MESSAGE + b"!"),
        base64.b64encode(raw),
        raw.hex().encode(),
    ]
    for answer in wrong:
        with pytest.raises(HostError, match=r"^it: gave "):
            given(answer)


# PEM files


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o666, 0o601])
def test_a_private_key_that_others_may_use(here: Path, mode: int) -> None:
    assert Path("k.pem").stat().st_mode & 0o777 == 0o600
    Path("k.pem").chmod(mode)
    said = fails(*SIGN, "k.pem")
    assert f"mode {mode:04o}" in said
    assert "chmod 600 k.pem" in said
    assert not Path("rel/stable.jws").exists()
    Path("k.pem").chmod(0o400)
    assert mulligan(*SIGN, "k.pem").returncode == 0


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)])
def test_a_key_of_another_kind(here: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    Path("other.pem").write_bytes(key.private_bytes(*form))
    Path("other.pem").chmod(0o600)
    Path("other.pub.pem").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    for arguments in ((*SIGN, "other.pem"), ("keys", "table", "other.pub.pem", "-o", "t"), ("keys", "show", "other.pem")):
        assert "not a P-256 key" in fails(*arguments)


def test_a_passphrase_from_the_environment(here: Path) -> None:
    done = mulligan("keys", "new", "locked.pem", "--encrypt", MULLIGAN_PASSPHRASE="über secret")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ENCRYPTED PRIVATE KEY" in Path("locked.pem").read_text()
    assert "MULLIGAN_PASSPHRASE" in fails(*SIGN, "locked.pem")
    assert "passphrase" in fails(*SIGN, "locked.pem", MULLIGAN_PASSPHRASE="wrong")
    assert mulligan(*SIGN, "locked.pem", MULLIGAN_PASSPHRASE="über secret").returncode == 0
    assert mulligan(*SIGN, "k.pem", MULLIGAN_PASSPHRASE="über secret").returncode == 0  # it needs none
    assert "is needed" in fails("keys", "new", "other.pem", "--encrypt")
    assert not Path("other.pem").exists()


def at_a_terminal(typed: list[bytes], *arguments: str) -> tuple[int, str]:
    """Run mulligan in a terminal, type a line at each prompt; return its exit code and what the terminal showed."""
    child, terminal = pty.fork()
    if not child:
        os.execv(sys.executable, [sys.executable, "-m", "mulligan_host", *arguments])
    shown = b""
    with suppress(OSError):  # how Linux says that the other side is closed
        while data := os.read(terminal, 4096):
            shown += data
            if data.rstrip(b" ").endswith(b":") and typed:
                os.write(terminal, typed.pop(0) + b"\n")  # the echo is off before the prompt stands
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


def test_a_typed_passphrase_is_not_echoed(here: Path) -> None:
    code, shown = at_a_terminal([b"tell nobody", b"tell nobody"], "keys", "new", "locked.pem", "--encrypt")
    assert code == 0, shown
    assert "locked.pem" in shown
    code, more = at_a_terminal([b"tell nobody"], *SIGN, "locked.pem")
    assert code == 0, more
    assert "tell" not in shown + more
    code, more = at_a_terminal([b"tell somebody"], *SIGN, "locked.pem")
    assert (code, "passphrase is wrong" in more, "tell" in more) == (1, True, False)


# Commands

OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="no openssl on this machine")


@needs_openssl
@pytest.mark.parametrize(
    "key",
    ["command:k.pub.pem:openssl dgst -sha256 -sign k.pem", "command-digest:k.pub.pem:openssl pkeyutl -sign -inkey k.pem"],
    ids=["message", "digest"],
)
def test_a_command_signs(here: Path, key: str) -> None:
    done = mulligan(*SIGN, key)
    assert (done.returncode, done.stderr) == (0, "")
    assert mulligan("release", "verify", "--dir", "rel", "--key", "k.pub.pem").returncode == 0


def script(name: str, body: str) -> str:
    """A program in Python; its --key."""
    Path(name).write_text(f"import os, sys, time\nwrite = sys.stdout.buffer.write\n{body}\n")
    return f"command:k.pub.pem:{sys.executable} {name}"


def test_a_command_that_writes_r_and_s(here: Path) -> None:
    key = script("kms.py", "from pathlib import Path\nfrom mulligan_host import keys\n"
                 "write(keys.load_signer(Path('k.pem')).signature(sys.stdin.buffer.read()))")  # fmt: skip
    signer = signers.open_signer(key, no_secret)
    message = bytes(range(256)) * 1000
    assert p256.verify(signer.public, sha256(message).digest(), signer.signature(message))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "0 bytes that are neither"),
        ("write(b'junk')", "4 bytes that are neither"),
        ("write(bytes(range(64)))", "does not verify"),
        ("while True: write(b'y' * 65536)", "more than 4096 bytes"),
        ("sys.exit(3)", "failed with exit code 3\n"),
        ("sys.exit('first line\\nno such key: 7')", "failed with exit code 1: no such key: 7\n"),
        ("sys.stderr.write('x' * 100000); sys.exit(1)", "failed with exit code 1: xxx"),
        ("os.kill(os.getpid(), 9)", "failed with exit code -9\n"),
        ("write(b'0' * 72)\nsys.exit(1)", "failed with exit code 1\n"),
    ],
    ids=["nothing", "junk", "wrong", "endless", "code", "message", "noisy", "killed", "and fails"],
)
def test_a_command_that_does_not_sign(here: Path, body: str, said: str) -> None:
    assert said in fails(*SIGN, script("kms.py", body))
    assert not Path("rel/stable.jws").exists()


@pytest.mark.parametrize("body", ["time.sleep(60)", "os.close(1)\nos.close(2)\ntime.sleep(60)", "write(b'y')\ntime.sleep(60)"])
def test_a_command_that_takes_for_ever(here: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    monkeypatch.setattr(command, "TIMEOUT_S", 1.0)
    signer = signers.open_signer(script("kms.py", body), no_secret)
    began = time.monotonic()
    with pytest.raises(HostError, match="no signature within 1 s"):
        signer.signature(MESSAGE)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("command:", "wants PUBLIC.pem"),
        ("command:k.pub.pem", "wants PUBLIC.pem"),
        ("command:k.pub.pem:", "wants PUBLIC.pem"),
        ("command::sign", "wants PUBLIC.pem"),
        ("command:k.pub.pem:sign 'it", "No closing quotation"),
        ("command:k.pub.pem:./not-there", "can't be run: No such file"),
        ("command:none.pem:./sign", "none.pem: No such file"),
        ("command:k.pem:./sign", "not a public key"),
    ],
)
def test_a_command_that_is_none(here: Path, key: str, said: str) -> None:
    assert said in fails(*SIGN, key)


# Tokens


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The path of SoftHSM2's module, with two tokens: "ops team" has keys, "spare" has none."""
    try:
        module, tool = softhsm.found()
    except HostError as e:
        pytest.skip(f"SoftHSM2 is not installed (Debian: softhsm2), PKCS#11 is not tested: {e}")
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed: PKCS#11 is not tested")
    import pkcs11
    from pkcs11 import Attribute, KeyType
    from pkcs11.util.ec import encode_named_curve_parameters

    work = tmp_path_factory.mktemp("hsm")
    (work / "tokens").mkdir()
    (work / "softhsm2.conf").write_text(f"directories.tokendir = {work}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(work / "softhsm2.conf"))
        for label in ("ops team", "spare"):
            arguments = ["--module", module, "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "12345678"]
            subprocess.run([tool, *arguments], check=True, capture_output=True)
        with pkcs11.lib(module).get_token(token_label="ops team").open(rw=True, user_pin=PIN) as session:
            for number, (label, curve) in enumerate((("release", "secp256r1"), ("twin", "secp256r1"), ("big", "secp384r1")), 1):
                parameters = session.create_domain_parameters(
                    KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}, local=True
                )
                parameters.generate_keypair(store=True, label=label, id=bytes([number]))
            lone, _ = session.create_domain_parameters(
                KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}, local=True
            ).generate_keypair(store=True, label="lone", id=b"\x09")
            lone.destroy()
        yield module


def uri(module: str, path: str = "token=ops%20team;object=release", more: str = "") -> str:
    return f"pkcs11:{path}?module-path={module}{more}"


def pin(variable: str, what: str) -> str:
    assert variable == "MULLIGAN_PIN"
    assert PIN not in what
    return PIN


def test_a_token_signs_a_release(here: Path, token: str) -> None:
    key = uri(token)
    done = mulligan("keys", "export", key, "-o", "hsm.pub.pem", MULLIGAN_PIN=PIN)
    assert (done.returncode, done.stderr) == (0, "")
    done = mulligan(*SIGN, key, MULLIGAN_PIN=PIN)
    assert (done.returncode, done.stderr) == (0, "")
    assert mulligan("release", "verify", "--dir", "rel", "--key", "hsm.pub.pem").returncode == 0
    Path("pin").write_text(PIN + "\n")
    Path("pin").chmod(0o600)
    for source in (f"file:{here}/pin", f"file://{here}/pin", f"{here}/pin"):
        assert mulligan(*SIGN, uri(token, more=f"&pin-source={source}")).returncode == 0
    assert "an absolute path" in fails(*SIGN, uri(token, more="&pin-source=%7Ccat%20pin"))
    Path("pin").chmod(0o644)
    assert "chmod 600" in fails(*SIGN, uri(token, more=f"&pin-source={here}/pin"))


def test_a_token_by_its_ids(token: str) -> None:
    by_label = hsm.open_signer(uri(token), pin)
    for path in ("id=%01", "token=ops%20team;id=%01;object=release;type=private", "manufacturer=SoftHSM%20project;id=%01"):
        same = hsm.open_signer(uri(token, "token=ops%20team;" + path.removeprefix("token=ops%20team;")), pin)
        assert same.kid == by_label.kid
    assert hsm.open_signer(uri(token, "token=ops%20team;object=twin"), pin).kid != by_label.kid
    assert p256.verify(by_label.public, sha256(MESSAGE).digest(), by_label.signature(MESSAGE))


def test_the_module_from_the_environment(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PKCS11_MODULE", token)
    assert hsm.open_signer("pkcs11:token=ops%20team;object=release", pin).kid
    monkeypatch.delenv("PKCS11_MODULE")
    with pytest.raises(HostError, match="which PKCS#11 module"):
        hsm.open_signer("pkcs11:token=ops%20team;object=release", pin)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("token=none", "0 tokens match"),
        ("manufacturer=SoftHSM%20project", "[23] tokens match"),  # SoftHSM2 shows an empty slot as a token
        ("token=spare", "0 elliptic-curve private keys"),
        ("token=ops%20team", "4 elliptic-curve private keys"),
        ("token=ops%20team;object=none", "0 elliptic-curve"),
        ("token=ops%20team;object=big", "not a P-256 key"),
        ("token=ops%20team;object=lone", "neither the public key nor a certificate"),
    ],
)
def test_a_token_that_has_not_what_is_wanted(token: str, path: str, said: str) -> None:
    with pytest.raises(HostError, match=said):
        hsm.open_signer(uri(token, path), pin)


def test_a_certificate_beside_the_key_will_do(token: str) -> None:
    """A smart card has a certificate and no public key."""
    import pkcs11
    from cryptography.hazmat.primitives import serialization
    from pkcs11 import Attribute, ObjectClass
    from pkcs11.util.ec import decode_ec_private_key

    from mulligan_host.authority import Authority

    certificate, private = Authority().client("card")
    key = serialization.load_der_private_key(private, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    sec1 = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    of_key = {**decode_ec_private_key(sec1), Attribute.TOKEN: True, Attribute.ID: b"\x05", Attribute.SIGN: True}
    of_certificate = {
        Attribute.CLASS: ObjectClass.CERTIFICATE,
        Attribute.CERTIFICATE_TYPE: pkcs11.CertificateType.X_509,
        Attribute.VALUE: certificate,
        Attribute.SUBJECT: b"card",
        Attribute.ID: b"\x05",
        Attribute.TOKEN: True,
    }
    spare = pkcs11.lib(token).get_token(token_label="spare")
    with spare.open(rw=True, user_pin=PIN) as session:
        session.create_object(of_key)
        session.create_object(of_certificate)
    signer = hsm.open_signer(uri(token, "token=spare;id=%05"), pin)
    assert signer.public == keys.raw_public(key.public_key())
    assert len(signer.signature(MESSAGE)) == 64
    with spare.open(rw=True, user_pin=PIN) as session:
        for thing in list(session.get_objects({Attribute.ID: b"\x05"})):
            thing.destroy()


def test_a_wrong_pin_and_none(here: Path, token: str) -> None:
    said = fails(*SIGN, uri(token), MULLIGAN_PIN="0000")
    assert "pin incorrect" in said
    assert "0000" not in said
    assert "MULLIGAN_PIN" in fails(*SIGN, uri(token))
    assert not Path("rel/stable.jws").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pkcs11:token=x?pin-value=1234&module-path=y", "seen by others"),
        ("pkcs11:token=x;pin-value=1234", "seen by others"),
        ("pkcs11:tokn=x", "tokn: known are"),
        ("pkcs11:token=x?module-name=opensc", "module-name: known are"),
        ("pkcs11:token=x;token=y", "there twice"),
        ("pkcs11:token", "not name=value"),
        ("pkcs11:token=%zz", "not name=value"),
        ("pkcs11:token=x;;object=y", "not name=value"),
        ("pkcs11:token=x?", "an empty query"),
        ("pkcs11:token=x;type=public", "type is private"),
        ("pkcs11:token=x?module-path=/not/there.so", "not/there.so"),
    ],
)
def test_a_uri_that_is_none(here: Path, text: str, said: str) -> None:
    assert said in fails(*SIGN, text)
    assert "1234" not in fails(*SIGN, text)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hsm, "find_spec", lambda name: None)
    with pytest.raises(HostError, match=r"pip install 'mulligan\[pkcs11\]'"):
        hsm.open_signer("pkcs11:token=x?module-path=/y.so", pin)


def test_uris_as_the_rfc_writes_them() -> None:
    parsed = hsm.parse(
        "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;object=my-certificate;id=%69%95%3E%5C%F4%BD?pin-source=file:/p"
    )
    assert parsed.path["token"] == b"The Software PKCS#11 Softtoken"
    assert parsed.path["id"] == b"\x69\x95\x3e\x5c\xf4\xbd"
    assert parsed.query == {"pin-source": b"file:/p"}
    assert "pin" not in parsed.name


# Secrets stay secret


def shapes(path: Path) -> list[bytes]:
    """The private key of a PEM file, in every spelling that could slip out."""
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    number = key.private_numbers().private_value
    raw = number.to_bytes(32, "big")
    lines = [line for line in path.read_bytes().splitlines() if len(line) == 64]
    assert lines
    texts = [
        raw.hex(),
        raw.hex().upper(),
        str(number),
        base64.b64encode(raw[:30]).decode(),
        base64.urlsafe_b64encode(raw[:30]).decode(),
    ]
    return [raw, raw[::-1], *lines, *(text.encode() for text in texts)]


def test_no_private_key_in_any_output_or_file(here: Path, micropythons: list[object]) -> None:
    """Of each command that reads one: rightly used, wrongly used, and with tracebacks."""
    secret = shapes(Path("k.pem"))
    Path("cut.pem").write_bytes(Path("k.pem").read_bytes()[:-40])
    Path("two.pem").write_bytes(Path("k.pem").read_bytes() * 2)
    Path("flash").write_bytes(bytes(SIZE_4MB))
    hidden = {Path(name).resolve() for name in ("k.pem", "cut.pem", "two.pem")}
    uses: list[Callable[[str], tuple[str, ...]]] = [
        lambda key: (*SIGN, key),
        lambda key: (*SIGN, key, "--passphrase", "needless"),
        lambda key: ("keys", "show", key),
        lambda key: ("keys", "show", key, "--json"),
        lambda key: ("keys", "export", key, "-o", "exported.pem"),
        lambda key: ("keys", "table", key, "-o", "table"),
        lambda key: ("release", "verify", "--dir", "rel", "--key", key),
        lambda key: ("board", "virtual", "new-flash", "--key", key),
        lambda key: (*SIGN, f"command:{key}:cat {key}"),
        lambda key: (*SIGN, f"command:k.pub.pem:cat {key}"),
        lambda key: (*SIGN, f"pkcs11:token={key}?module-path={key}"),
    ]
    said = b""
    for use in uses:
        for key in ("k.pem", "cut.pem", "two.pem"):
            done = mulligan(*use(key), MULLIGAN_DEBUG="1")
            said += (done.stdout + done.stderr).encode()
    said += mulligan("keys", "new", "k.pem").stderr.encode()
    board = mulligan("board", "virtual", "board.bin", "--key", "k.pub.pem", "--until", "^mulligan: boot")
    assert board.returncode == 0, board.stderr
    assert keys.load_public(Path("k.pub.pem")) in Path("board.bin").read_bytes()
    assert b"k.pem" in said
    for path in here.rglob("*"):
        if path.is_file() and path.resolve() not in hidden:
            said += path.read_bytes()
    assert [shape for shape in secret if shape in said] == []


def test_show(here: Path) -> None:
    signer = keys.load_signer(Path("k.pem"))
    Path("t").write_bytes(combs.table(signer.public, 3))
    keys.create(Path("locked.pem"), "secret")
    done = mulligan("keys", "show", "k.pub.pem", "k.pem", "locked.pem", "t", "--of", "k.pub.pem", "--json")
    assert done.returncode == 0, done.stderr
    public, private, locked, table = json.loads(done.stdout)
    assert public == {"file": "k.pub.pem", "kind": "public key", "kid": signer.kid, "public": signer.public.hex()}
    assert private == {**public, "file": "k.pem", "kind": "private key", "mode": "0600", "encrypted": False}
    assert locked == {"file": "locked.pem", "kind": "private key", "mode": "0600", "encrypted": True}
    assert table == {"file": "t", "kind": "table", "width": 3, "bytes": len(Path("t").read_bytes()), "kid": signer.kid}
    shown = mulligan("keys", "show", "k.pub.pem", "t").stdout
    assert f"kid {signer.kid}" in shown
    assert "width 3" in shown
    keys.create(Path("other.pem"))
    assert "not the table of key" in fails("keys", "show", "t", "--of", "other.pub.pem")
    Path("junk").write_bytes(b"junk")
    assert "neither a key in PEM" in fails("keys", "show", "junk")


def test_table(here: Path) -> None:
    done = mulligan("keys", "table", "k.pub.pem", "--width", "4", "-o", "k.table")
    assert (done.returncode, done.stderr) == (0, "")
    signer = keys.load_signer(Path("k.pem"))
    key = p256.Key(signer.public, Path("k.table").read_bytes())  # raises where it is not exactly this key's
    assert key.verify(sha256(MESSAGE).digest(), signer.signature(MESSAGE))
