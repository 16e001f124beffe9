"""What a board shows to a server that asks: refused at the desk where it could not work, or should never be on a board."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from host.commands import mulligan
from host.refusals import assert_error
from mulligan_host import credentials, keys
from mulligan_host.authority import Authority
from mulligan_host.errors import HostError


def der(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> bytes:
    how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, how)


def test_what_is_taken_and_what_is_not() -> None:
    certificate, key = Authority().client("board-1")
    other = ec.generate_private_key(ec.SECP256R1())
    own = serialization.load_der_private_key(key, None)
    assert isinstance(own, ec.EllipticCurvePrivateKey)
    credentials.check(certificate, key, [keys.raw_public(other.public_key())])
    for cert, private, said in (
        (b"", key, "give both"),
        (certificate, b"", "give both"),
        (b"junk", key, "certificate is not one in DER"),
        (key, key, "certificate is not one in DER"),
        (certificate + b"\0", key, "certificate is not one in DER"),
        (certificate, b"junk", "key is not one in DER"),
        (certificate, certificate, "key is not one in DER"),
        (certificate, der(own, b"secret"), "has a passphrase"),
        (certificate, der(other), "of another key"),
        (certificate, der(ec.generate_private_key(ec.SECP384R1())), "of another key"),
    ):
        with pytest.raises(HostError, match=said):
            credentials.check(cert, private, [])
    with pytest.raises(HostError, match="never goes onto a device"):
        credentials.check(certificate, key, [keys.raw_public(own.public_key())])


def test_a_signing_key_never_goes_onto_a_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as its key for TLS either: the command refuses, and there is no flash."""
    monkeypatch.chdir(tmp_path)
    certificate, key = Authority().client("board-1")
    keys.create(Path("k.pem"))
    signing = serialization.load_pem_private_key(Path("k.pem").read_bytes(), None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    Path("cert.der").write_bytes(certificate)
    Path("tls.der").write_bytes(key)
    Path("k.der").write_bytes(der(signing))
    new = ("board", "virtual", "flash", "--key", "k.pub.pem", "--cert", "cert.der", "--until", "^mulligan: boot", "--cert-key")
    done = mulligan(*new, "k.der")
    assert_error(done.returncode, done.stderr)
    assert "never goes onto a device" in done.stderr
    assert not Path("flash").exists()
    done = mulligan(*new, "tls.der")
    assert (done.returncode, done.stderr) == (0, "")
    assert key in Path("flash").read_bytes()
