"""Roots by the command: made, rotated and revoked by several people, in steps; and what a device makes of them."""

import json
import time
from pathlib import Path

import pytest

from host.commands import mulligan
from host.refusals import assert_error
from mulligan.core import keyset, p256, root
from mulligan.core.errors import RootError
from mulligan_host import ceremony, combs, keys

NAMES = ("alice", "bob", "carol", "dave", "rel", "rel2", "fleet")


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with keys, and 1.root: two of Alice, Bob and Carol; rel signs releases, fleet orders."""
    here = tmp_path_factory.mktemp("ring")
    for name in NAMES:
        keys.create(here / f"{name}.pem")
    arguments = [f"--root={here}/{name}.pub.pem" for name in ("alice", "bob", "carol")]
    arguments += [f"--release={here}/rel.pub.pem", f"--fleet={here}/fleet.pub.pem", "--threshold=2"]
    arguments += [f"--key={here}/{name}.pem" for name in ("alice", "bob")]
    done = mulligan("keys", "root", *arguments, "-o", f"{here}/1.root")
    assert (done.returncode, done.stderr) == (0, "")
    return here


@pytest.fixture
def here(ring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path in ring.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / path.name).chmod(path.stat().st_mode)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> str:
    done = mulligan("keys", *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def fails(*arguments: str) -> str:
    before = {path: path.read_bytes() for path in Path().iterdir()}
    done = mulligan("keys", *arguments)
    assert_error(done.returncode, done.stderr)
    assert {path: path.read_bytes() for path in Path().iterdir()} == before
    return done.stderr


def kid(name: str) -> str:
    found: str = keyset.key_id(keys.load_public(Path(f"{name}.pub.pem")))
    return found


def taken(number: int) -> root.Root:
    """Root ``number`` as a device takes it that has the one before. Raises: RootError."""
    before, after = (root.unpack(Path(f"{n}.root").read_bytes()) for n in (number - 1, number))
    found: root.Root = root.accept(before.root, after, p256.verify)
    return found


def shown(path: str, *more: str) -> dict[str, object]:
    (found,) = json.loads(run("show", path, "--json", *more))
    assert isinstance(found, dict)
    return found


def test_the_first_root(here: Path) -> None:
    found = root.unpack(Path("1.root").read_bytes()).root
    assert (found.number, found.threshold, found.expires, found.ceiling) == (1, 2, 0, None)
    assert abs(found.issued - time.time()) < 3600
    assert set(root.keys_for(found, root.ROOT)) == {kid("alice"), kid("bob"), kid("carol")}
    assert set(root.keys_for(found, root.RELEASE)) == {kid("rel")}
    assert set(root.keys_for(found, root.FLEET)) == {kid("fleet")}
    facts = shown("1.root")
    assert facts["complete"] is True
    assert isinstance(facts["asked"], list)
    (asked,) = facts["asked"]
    assert (asked["by"], asked["needed"], asked["missing"]) == (1, 2, [kid("carol")])
    assert set(asked["signed"]) == {kid("alice"), kid("bob")}
    text = run("show", "1.root")
    assert f"key {kid('rel')}  release" in text
    assert "2 of 2 signatures that root 1 asks for" in text
    assert "expires never" in text


def signing(*names: str) -> list[str]:
    return [f"--key={name}.pem" for name in names]


def test_rotate_in_one_step(here: Path) -> None:
    changed = ["--release=rel2.pub.pem", "--remove", kid("rel")]
    said = run("rotate", "1.root", *changed, *signing("alice", "carol"), "-o", "2.root")
    assert "2 of 2 signatures that root 1 asks for" in said
    assert "2 of 2 signatures that root 2 asks for" in said
    found = taken(2)
    assert set(root.keys_for(found, root.RELEASE)) == {kid("rel2")}
    assert set(root.keys_for(found, root.ROOT)) == {kid("alice"), kid("bob"), kid("carol")}
    changed = ["--root=dave.pub.pem", "--remove", kid("alice")]
    run("rotate", "2.root", *changed, *signing("bob", "carol"), "-o", "3.root")
    assert set(root.keys_for(taken(3), root.ROOT)) == {kid("bob"), kid("carol"), kid("dave")}


def test_signatures_are_collected_in_steps(here: Path) -> None:
    """Alice proposes a new pair of root keys; each signs a copy on a machine of their own; the copies are put together."""
    changed = ["--root=dave.pub.pem", "--remove", kid("bob"), "--remove", kid("carol")]
    said = run("rotate", "1.root", *changed, *signing("alice"), "-o", "2.root")
    assert "1 of 2 signatures that root 1 asks for; can still sign:" in said
    assert kid("carol") in said
    assert f"1 of 2 signatures that root 2 asks for; can still sign: {kid('dave')}" in said
    assert shown("2.root", "--before", "1.root")["complete"] is False
    with pytest.raises(RootError, match="1 of 2 signatures that the old root"):
        taken(2)
    for name in ("carol", "dave"):
        Path(f"{name}.root").write_bytes(Path("2.root").read_bytes())
        run("sign", f"{name}.root", "--before", "1.root", *signing(name))
    run("sign", "2.root", "--before", "1.root", "--with", "carol.root")
    with pytest.raises(RootError, match="1 of 2 signatures that the new root"):
        taken(2)
    said = run("sign", "2.root", "--before", "1.root", "--with", "dave.root")
    assert "can still sign" not in said
    taken(2)
    facts = shown("2.root", "--before", "1.root")
    assert facts["complete"] is True
    assert facts["signatures"] == sorted(map(kid, ("alice", "carol", "dave")))


def test_a_signature_does_not_count_twice(here: Path) -> None:
    run("rotate", "1.root", *signing("alice", "alice"), "-o", "2.root")
    run("sign", "2.root", "--before", "1.root", *signing("alice"))
    asked = shown("2.root", "--before", "1.root")["asked"]
    assert isinstance(asked, list)
    assert [(by["by"], by["needed"], by["signed"]) for by in asked] == [(1, 2, [kid("alice")]), (2, 2, [kid("alice")])]


def test_a_false_signature_counts_nothing(here: Path) -> None:
    run("rotate", "1.root", "--key", "alice.pem", "-o", "2.root")
    signed = ceremony.load(Path("2.root"))
    forged = signed._replace(signatures={**signed.signatures, kid("bob"): signed.signatures[kid("alice")]})
    Path("2.root").write_bytes(ceremony.packed(forged))
    assert shown("2.root", "--before", "1.root")["complete"] is False
    # The right one takes its place.
    run("sign", "2.root", "--before", "1.root", "--key", "bob.pem")
    taken(2)


def test_revoke(here: Path) -> None:
    both = ("--key", "alice.pem", "--key", "bob.pem")
    run("rotate", "1.root", "--release", "rel2.pub.pem", *both, "-o", "2.root")
    run("revoke", "2.root", kid("rel"), "--ceiling", "7", *both, "-o", "3.root")
    found = taken(3)
    assert set(root.keys_for(found, root.RELEASE)) == {kid("rel2")}
    assert found.ceiling == 7
    assert shown("3.root")["ceiling"] == 7
    # Of a root key: the two that are left are enough.
    run("revoke", "3.root", kid("alice"), "--key", "bob.pem", "--key", "carol.pem", "-o", "4.root")
    assert set(root.keys_for(taken(4), root.ROOT)) == {kid("bob"), kid("carol")}
    assert "threshold that its root keys can't reach" in fails("revoke", "4.root", kid("bob"), *both, "-o", "5.root")
    run("revoke", "4.root", kid("bob"), "--threshold", "1", "--key", "bob.pem", "--key", "carol.pem", "-o", "5.root")
    assert taken(5).threshold == 1


def test_expiry(here: Path) -> None:
    both = ("--key", "alice.pem", "--key", "bob.pem")
    run("rotate", "1.root", "--days", "30", *both, "-o", "2.root")
    found = taken(2)
    assert found.expires - found.issued == 30 * 86400
    run("rotate", "2.root", *both, "-o", "3.root")
    found = taken(3)
    assert found.expires - found.issued == 30 * 86400  # as long as before
    run("rotate", "3.root", "--days", "0", *both, "-o", "4.root")
    assert taken(4).expires == 0


def test_the_keys_partition(here: Path) -> None:
    run("export", "1.root", "-o", "keys.bin")
    image = Path("keys.bin").read_bytes()
    signed = Path("1.root").read_bytes()
    assert len(image) == 0x8000
    behind = combs.tables(root.unpack(signed).root, combs.DEFAULT_WIDTH)
    assert len(behind) == 2 * (6 + 2056)  # of the release key and of the fleet key
    assert image == 2 * (signed + behind).ljust(0x4000, b"\xff")  # what one slot loses the other still has
    run("export", "1.root", "--width", "0", "--size", "8192", "-o", "small.bin")
    assert Path("small.bin").read_bytes() == 2 * signed.ljust(0x1000, b"\xff")
    assert "of 8192 has room for 3712" in fails("export", "1.root", "--width", "6", "--size", "8192", "-o", "x")
    assert "half of a keys partition of 512" in fails("export", "1.root", "--size", "512", "-o", "x")
    run("rotate", "1.root", "--key", "alice.pem", "-o", "2.root")
    assert "not signed yet" in fails("export", "2.root", "-o", "two.bin")


def test_export_of_a_private_key_is_its_public_half(here: Path) -> None:
    run("export", "alice.pem", "-o", "a.pem")
    assert Path("a.pem").read_bytes() == Path("alice.pub.pem").read_bytes()


def test_nothing_is_written_over(here: Path) -> None:
    """Least of all a private key, by its own public half."""
    run("table", "alice.pub.pem", "-o", "a.table")
    for arguments in (
        ("export", "alice.pem", "-o", "alice.pem"),
        ("export", "bob.pem", "-o", "alice.pem"),
        ("export", "1.root", "-o", "1.root"),
        ("table", "alice.pub.pem", "-o", "a.table"),
        ("rotate", "1.root", "--key", "alice.pem", "-o", "1.root"),
        ("rotate", "1.root", "-o", "alice.pem"),
        ("revoke", "1.root", kid("carol"), "-o", "alice.pem"),
        ("root", "--root", "alice.pub.pem", "-o", "1.root"),
        ("new", "alice.pem"),
    ):
        assert "is there already" in fails(*arguments)


ROTATE = ("rotate", "1.root", "-o", "2.root")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*ROTATE, "--key", "dave.pem"), "no root key of root 2 and root 1"),
        ((*ROTATE, "--key", "rel.pem"), "no root key"),
        ((*ROTATE, "--remove", "0" * 12), "not in root 1"),
        ((*ROTATE, "--threshold", "4"), "can't reach"),
        ((*ROTATE, "--ceiling", str(1 << 32)), "32 bits"),
        ((*ROTATE, "--days", "99999999"), "32 bits"),
        ((*ROTATE, "--root", "alice.pem"), "not a public key"),
        (("rotate", "alice.pub.pem", "-o", "2.root"), "alice.pub.pem: root"),
        (("rotate", "missing.root", "-o", "2.root"), "missing.root: No such file"),
        (("root", "--release", "rel.pub.pem", "-o", "x.root"), "threshold"),
        (("sign", "1.root", "--key", "dave.pem"), "is --before missing?"),
        (("sign", "1.root", "--before", "1.root", "--key", "carol.pem"), "does not follow"),
        (("show", "1.root", "--before", "1.root"), "does not follow"),
        (("revoke", "1.root", "0" * 12, "-o", "2.root"), "not in root 1"),
    ],
)
def test_what_is_refused(here: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in fails(*arguments)


def test_the_last_release_key_is_not_revoked(here: Path) -> None:
    assert "no key that signs releases" in fails("revoke", "1.root", kid("rel"), "-o", "2.root")


def test_copies_of_different_roots(here: Path) -> None:
    run("rotate", "1.root", "--key", "alice.pem", "-o", "2.root")
    run("rotate", "1.root", "--days", "3", "--key", "bob.pem", "-o", "other.root")
    assert "are not the same" in fails("sign", "2.root", "--with", "other.root")


def test_a_root_that_is_not_in_force_is_not_rotated(here: Path) -> None:
    run("rotate", "1.root", "--key", "alice.pem", "-o", "2.root")
    assert "root 2 is not in force: 1 of 2" in fails("rotate", "2.root", "-o", "3.root")


@pytest.mark.parametrize("spoil", [b"", b"MROT", b"junk" * 20])
def test_a_damaged_root(here: Path, spoil: bytes) -> None:
    Path("1.root").write_bytes(spoil)
    assert "1.root: " in fails("rotate", "1.root", "-o", "2.root")


def test_bytes_after_a_root(here: Path) -> None:
    Path("1.root").write_bytes(Path("1.root").read_bytes() + b"\0")
    assert "something follows" in fails("show", "1.root")


def test_a_private_key_of_others_signs_no_root(here: Path) -> None:
    Path("alice.pem").chmod(0o644)
    assert "chmod 600" in fails(*ROTATE, "--key", "alice.pem")
    assert not Path("2.root").exists()
