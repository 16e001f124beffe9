"""Release directories: what is built, signed, found wrong."""

import dataclasses
import json
from hashlib import sha256
from pathlib import Path

import pytest

from host.commands import mulligan
from host.refusals import assert_error
from host.rig import BOARD, HEALTH, image
from mulligan import settings
from mulligan.core import jws, manifest
from mulligan.core.errors import Expired, FormatError, MulliganError, SignatureError
from mulligan_host import delta, keys, release
from mulligan_host.errors import HostError


@pytest.fixture
def signer(tmp_path: Path) -> keys.Signer:
    return keys.create(tmp_path / "k.pem")


@pytest.fixture
def directory(tmp_path: Path) -> release.Directory:
    return release.Directory(tmp_path / "rel")


def order(version: str, model: str = "", **fields: object) -> release.Order:
    return release.Order(image(version, model), [BOARD], HEALTH, **fields)  # type: ignore[arg-type]


def pinned(signer: keys.Signer) -> dict[str, bytes]:
    return {signer.kid: signer.public}


def artifacts(directory: release.Directory) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (directory.path / "artifacts").iterdir()}


def test_what_is_built(directory: release.Directory) -> None:
    built = directory.build(order("1.0.0", days=10, boot_ms=1234, requires={"firmware": "1.23.0"}))
    (artifact,) = built.artifacts
    content = image("1.0.0")
    assert (built.release, built.sequence, built.boards, built.boot_ms) == ("1.0.0", 1, [BOARD], 1234)
    assert built.expires - built.issued == 10 * 86400
    assert (artifact.plane, artifact.name, artifact.version, artifact.counter) == ("model", "digits", "1.0.0", 1)
    assert (artifact.size, artifact.sha256, artifact.patches) == (len(content), sha256(content).digest(), None)
    assert artifact.requires == {"firmware": "1.23.0"}
    assert artifact.rules._asdict() == dataclasses.asdict(HEALTH)
    stored = artifacts(directory)
    assert list(stored) == [artifact.full.sha256.hex()]
    assert all(name == sha256(data).hexdigest() for name, data in stored.items())
    assert delta.apply(b"", stored[artifact.full.sha256.hex()]) == content
    assert not list(directory.path.glob("*.jws"))  # no device sees it yet


def test_sequences_and_bases(directory: release.Directory) -> None:
    """Each release is one sequence above the last, with patches from the three versions before it, where they are smaller."""
    versions = ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"]
    for count, version in enumerate(versions, 1):
        built = directory.build(order(version, model="1.1.0" if count % 2 else "1.0.0"))
        assert (built.sequence, built.artifacts[0].counter) == (count, count)
    index = manifest.parse_index(artifacts(directory)[built.artifacts[0].patches.sha256.hex()])
    digests = [r.artifacts[0].sha256 for r in directory.releases()]
    plain = [patch for patch in index if not patch.heap]
    assert [patch.base for patch in plain] == digests[3:0:-1]
    for small in (patch for patch in index if patch.heap):  # before the one that every device can take
        (other,) = (patch for patch in plain if patch.base == small.base)
        assert index.index(small) == index.index(other) - 1
        assert small.size < other.size
    for found in index:
        base = next(image(v, "1.1.0" if n % 2 else "1.0.0") for n, v in enumerate(versions, 1) if digests[n - 1] == found.base)
        data = artifacts(directory)[found.sha256.hex()]
        assert len(data) == found.size
        assert delta.apply(base, data) == image("1.4.0", "1.1.0")


def test_no_patch_from_another_model(directory: release.Directory) -> None:
    directory.build(release.Order(image("1.0.0", name="other"), [BOARD], HEALTH))
    assert directory.build(order("1.1.0")).artifacts[0].patches is None


def test_the_same_content_again(directory: release.Directory) -> None:
    first = directory.build(order("1.0.0"))
    again = directory.build(release.Order(image("1.0.0"), [BOARD], HEALTH, version="1.0.1"))
    assert again.artifacts[0].sha256 == first.artifacts[0].sha256
    assert (again.sequence, again.artifacts[0].patches) == (2, None)
    assert len(artifacts(directory)) == 1


def test_after_and_hard_floor(directory: release.Directory) -> None:
    directory.build(order("1.0.0"))
    (plain,) = directory.releases()[0].artifacts
    assert (plain.after, plain.hard_floor) == (None, 0)
    (artifact,) = directory.build(order("1.1.0", after="1.0.0", hard_floor=2)).artifacts
    assert (artifact.after, artifact.hard_floor) == ("1.0.0", 2)
    for bad in ({"after": "1"}, {"hard_floor": 4}, {"hard_floor": -1}):  # it would be counter 3
        with pytest.raises(FormatError):
            directory.build(order("1.2.0", model="1.0.0", **bad))


def test_after_and_hard_floor_by_the_command(tmp_path: Path) -> None:
    (tmp_path / "m.mslt").write_bytes(image("1.0.0"))
    build = ["release", "build", "--dir", str(tmp_path / "rel"), str(tmp_path / "m.mslt"), "--board", BOARD, "--correct", "4"]
    done = mulligan(*build, "--after", "0.9.0", "--hard-floor", "1")
    assert (done.returncode, done.stderr) == (0, "")
    (shown,) = json.loads(mulligan("release", "show", "--dir", str(tmp_path / "rel"), "--json").stdout)
    assert (shown["artifacts"][0]["after"], shown["artifacts"][0]["hard_floor"]) == ("0.9.0", 1)
    for more in (["--after", "old"], ["--hard-floor", "9"]):
        done = mulligan(*build, "--release", "1.0.1", *more)
        assert_error(done.returncode, done.stderr)


def test_a_board_that_waits_for_orders_needs_a_fleet_key(signer: keys.Signer, tmp_path: Path) -> None:
    done = mulligan("board", "virtual", str(tmp_path / "flash"), "--key", str(tmp_path / "k.pub.pem"), "--order")
    assert_error(done.returncode, done.stderr)
    assert "no fleet key" in done.stderr
    assert not (tmp_path / "flash").exists()


def test_whether_an_order_is_needed_is_never_guessed() -> None:
    """What is not exactly true or false stops the board, rather than pass for no."""
    for raw, needed in (
        (b'{"board":"b","order":true}', True),
        (b'{"board":"b","order":false}', False),
        (b'{"board":"b"}', False),
    ):
        assert settings.parse(raw).order is needed
    for value in (b'"required"', b'"true"', b"1", b"0", b"null", b"[]"):
        with pytest.raises(FormatError):
            settings.parse(b'{"board":"b","order":%s}' % value)


def test_orders(directory: release.Directory, signer: keys.Signer) -> None:
    """Each is one above the last of any channel, and stays on record."""
    directory.build(order("1.0.0"))
    first = directory.order("1.0.0", signer)
    payload = directory.path / "orders" / "1.json"
    assert jws.verify(directory.channel_order("stable").read_bytes(), pinned(signer)) == payload.read_bytes()
    assert (first.sequence, first.channel, first.boards, first.groups, first.devices) == (1, "stable", None, None, None)
    assert first.manifest == sha256(directory.payload("1.0.0")).digest()
    assert first.expires - first.issued == 30 * 86400
    wanted = release.Targets(["esp32"], ["canary"], ["a", "b"])
    second = directory.order("1.0.0", signer, wanted, 7, "beta")
    assert (second.sequence, second.channel, second.boards, second.groups, second.devices) == (
        2, "beta", ["esp32"], ["canary"], ["a", "b"],
    )  # fmt: skip
    assert second.expires - second.issued == 7 * 86400
    assert directory.channel_order("stable") != directory.channel_order("beta")
    before = sorted(directory.path.rglob("*"))
    for bad in ({"days": 0}, {"targets": release.Targets(groups=["a b"])}, {"channel": "../x"}, {"release": "9.9.9"}):
        with pytest.raises(MulliganError):
            directory.order(**{"release": "1.0.0", "signer": signer, **bad})  # type: ignore[arg-type]
    assert sorted(directory.path.rglob("*")) == before


def test_sign_and_verify(directory: release.Directory, signer: keys.Signer) -> None:
    directory.build(order("1.0.0"))
    built = directory.build(order("1.1.0"))
    path = directory.sign("1.1.0", signer)
    assert path == directory.path / "stable.jws"
    assert directory.verify("stable", pinned(signer)) == built
    beta = directory.sign("1.0.0", signer, "beta")
    assert directory.verify("beta", pinned(signer)).release == "1.0.0"
    assert path.read_bytes() != beta.read_bytes()


def test_a_version_is_built_once(directory: release.Directory) -> None:
    directory.build(order("1.0.0"))
    before = artifacts(directory)
    with pytest.raises(HostError, match="never change"):
        directory.build(release.Order(image("1.1.0"), [BOARD], HEALTH, version="1.0.0"))
    assert artifacts(directory) == before


def test_a_refused_order_leaves_nothing(directory: release.Directory) -> None:
    for bad in (order("1.0.0", days=0), order("1.0.0", boot_ms=0), order("1.0.0", requires={"moon": "1.0.0"})):
        with pytest.raises(MulliganError):
            directory.build(bad)
        assert not directory.path.exists()


def test_an_image_with_something_after_it(directory: release.Directory) -> None:
    with pytest.raises(FormatError, match="header says"):
        directory.build(release.Order(image("1.0.0") + b"x", [BOARD], HEALTH))


def test_someone_elses_key(directory: release.Directory, signer: keys.Signer, tmp_path: Path) -> None:
    directory.build(order("1.0.0"))
    directory.sign("1.0.0", signer)
    with pytest.raises(SignatureError):
        directory.verify("stable", pinned(keys.create(tmp_path / "other.pem")))


def test_every_tampered_artifact_is_found(directory: release.Directory, signer: keys.Signer) -> None:
    for version in ("1.0.0", "1.1.0"):
        directory.build(order(version))
    directory.sign("1.1.0", signer)
    assert len(artifacts(directory)) == 5  # two full ones, a patch of each tier, their index
    for name, data in artifacts(directory).items():
        path = directory.path / "artifacts" / name
        for spoilt in (data[:-1], data + b"x", bytes([data[0] ^ 1]) + data[1:], b""):
            path.write_bytes(spoilt)
            with pytest.raises(FormatError, match=name):
                directory.verify("stable", pinned(signer))
        path.unlink()
        with pytest.raises(FileNotFoundError):
            directory.verify("stable", pinned(signer))
        path.write_bytes(data)
    directory.verify("stable", pinned(signer))


def test_a_signed_lie_is_found(directory: release.Directory, signer: keys.Signer) -> None:
    """The signature is right, and the sources do not yield what it promises."""
    directory.build(order("1.0.0"))
    directory.build(order("1.1.0"))
    lie = json.loads(directory.payload("1.1.0"))
    lie["artifacts"][0]["full"] = json.loads(directory.payload("1.0.0"))["artifacts"][0]["full"]
    directory.channel("stable").write_bytes(signer.sign(json.dumps(lie).encode()))
    with pytest.raises(FormatError, match="something else"):
        directory.verify("stable", pinned(signer))


def test_an_expired_release_is_found(directory: release.Directory, signer: keys.Signer) -> None:
    directory.build(order("1.0.0"))
    payload = json.loads(directory.payload("1.0.0"))
    payload["expires"] = payload["issued"] = 1_700_000_000
    directory.channel("stable").write_bytes(signer.sign(json.dumps(payload).encode()))
    with pytest.raises(Expired):
        directory.verify("stable", pinned(signer))


# The keys


def test_a_key_survives_its_file(signer: keys.Signer, tmp_path: Path) -> None:
    loaded = keys.load_signer(tmp_path / "k.pem")
    assert (loaded.kid, loaded.public) == (signer.kid, signer.public)
    assert keys.load_public(tmp_path / "k.pub.pem") == signer.public
    assert (tmp_path / "k.pem").stat().st_mode & 0o777 == 0o600
    keys.create(tmp_path / "secret.pem", "phrase")
    assert keys.load_signer(tmp_path / "secret.pem", "phrase").kid
