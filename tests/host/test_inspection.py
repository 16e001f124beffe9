"""`mulligan release verify`: every check by name, each with its reason; what was not made; and that one run shows all faults."""

import json
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from host.commands import mulligan
from host.refusals import assert_error
from host.rig import BOARD, HEALTH, image
from mulligan.core import base64url, jws, keyset, root
from mulligan_host import ceremony, delta, keys, release

TRUST = ["size", "header", "key", "signature", "hint", "manifest"]
ARTIFACT = ["model/digits: full source", "model/digits: slot image", "model/digits: patches"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with 1.0.0 and 1.1.0, which is signed."""
    monkeypatch.chdir(tmp_path)
    signer = keys.create(Path("k.pem"))
    directory = release.Directory(Path("rel"))
    for version in ("1.0.0", "1.1.0"):
        directory.build(release.Order(image(version), [BOARD], HEALTH))
    directory.sign("1.1.0", signer)
    return tmp_path


def verify(*more: str) -> tuple[int, dict[str, tuple[bool | None, str]], str]:
    """Run it; return its exit code, {check: (ok, reason)} and its line of error. As JSON and for people it says the same."""
    arguments = ["release", "verify", "--dir", "rel", *(more or ("--key", "k.pub.pem"))]
    done = mulligan(*arguments, "--json")
    report = json.loads(done.stdout)
    shown = mulligan(*arguments)
    assert (shown.returncode, shown.stderr) == (done.returncode, done.stderr)
    lines = shown.stdout.splitlines()
    assert len(lines) == len(report["checks"])
    for line, check in zip(lines, report["checks"], strict=True):
        assert line.startswith({True: "ok  ", False: "FAIL", None: "-   "}[check["ok"]])
        assert f"  {check['check']} " in line
        assert line.endswith(check["reason"])
        assert check["reason"]
    assert report["ok"] is (done.returncode == 0) is not any(check["ok"] is False for check in report["checks"])
    if done.returncode:
        assert_error(done.returncode, done.stderr)
    else:
        assert done.stderr == ""
    return done.returncode, {check["check"]: (check["ok"], check["reason"]) for check in report["checks"]}, done.stderr


def failed(checks: dict[str, tuple[bool | None, str]]) -> list[str]:
    return [name for name, (ok, _) in checks.items() if ok is False]


def forge(change: Callable[[dict[str, Any]], object], version: str = "1.1.0") -> None:
    """Sign the payload of a release with something changed."""
    payload = json.loads(Path(f"rel/releases/{version}.json").read_bytes())
    change(payload)
    Path("rel/stable.jws").write_bytes(keys.load_signer(Path("k.pem")).sign(json.dumps(payload).encode()))


def token() -> bytes:
    """The manifest without the hint beside it."""
    return Path("rel/stable.jws").read_bytes().partition(b"~")[0]


def first(payload: dict[str, Any]) -> dict[str, Any]:
    artifact: dict[str, Any] = payload["artifacts"][0]
    return artifact


def test_a_right_release(here: Path) -> None:
    code, checks, _ = verify()
    base = sha256(image("1.0.0")).hexdigest()[:12]
    assert code == 0
    assert list(checks) == [*TRUST, "expiry", "floors", *ARTIFACT, f"model/digits: patch from {base}"]
    assert all(ok is True for ok, _ in checks.values())
    signer = keys.load_signer(Path("k.pem"))
    assert checks["size"][1] == f"{len(token())} of 4000 characters"
    assert signer.kid in checks["header"][1]
    assert "release 1.1.0, sequence 2, for virtual" in checks["manifest"][1]
    assert "365 days" in checks["expiry"][1]
    assert str(len(image("1.1.0"))) in checks["model/digits: full source"][1]
    assert "4 golden vectors" in checks["model/digits: slot image"][1]


def test_a_stranger(here: Path) -> None:
    """Of what nobody vouches for, nothing is looked at."""
    keys.create(Path("other.pem"))
    code, checks, said = verify("--key", "other.pub.pem")
    assert code == 1
    assert failed(checks) == ["key"]
    assert "not pinned" in said
    assert [checks[name][0] for name in ("signature", "manifest", "artifacts")] == [None, None, None]
    assert checks["signature"][1] == "not made: key failed"
    assert verify("--key", "other.pub.pem", "--key", "k.pub.pem")[0] == 0


def spoil_signature() -> None:
    spoilt = bytearray(token())
    spoilt[-10] = ord("A") if spoilt[-10] != ord("A") else ord("B")
    Path("rel/stable.jws").write_bytes(spoilt)


def spoil_hint() -> None:
    Path("rel/stable.jws").write_bytes(jws.beside(token(), bytes(31) + b"7"))


def spoil_header() -> None:
    _, payload, signature = token().split(b".")
    header = base64url.encode(b'{"alg":"none","kid":"x"}').encode()
    Path("rel/stable.jws").write_bytes(b".".join((header, payload, signature)))


def swap_source() -> None:
    other = json.loads(Path("rel/releases/1.0.0.json").read_bytes())
    forge(lambda payload: first(payload).update(full=first(other)["full"]))


def cut_source() -> None:
    blob = first(json.loads(Path("rel/releases/1.1.0.json").read_bytes()))["full"]
    path = Path("rel/artifacts") / base64url.decode(blob["sha256"]).hex()
    path.write_bytes(path.read_bytes()[:-1])


def spoil_patch() -> None:
    """A patch against the right base that yields something else, under an index that was signed."""
    made = delta.make(image("1.0.0"), image("1.0.0", model="1.1.0"))
    entry = {"base": base64url.encode(sha256(image("1.0.0")).digest()), "size": len(made)}
    index = json.dumps([{**entry, "sha256": base64url.encode(sha256(made).digest())}], separators=(",", ":")).encode()
    for content in (made, index):
        (Path("rel/artifacts") / sha256(content).hexdigest()).write_bytes(content)
    blob = {"size": len(index), "sha256": base64url.encode(sha256(index).digest())}
    forge(lambda payload: first(payload).update(patches=blob))


def lower_counter() -> None:
    forge(lambda payload: first(payload).update(counter=9), "1.0.0")
    path = Path("rel/releases/1.0.0.json")
    payload = json.loads(path.read_bytes())
    first(payload)["counter"] = 9
    path.write_bytes(json.dumps(payload).encode())
    forge(lambda payload: None)


def lengthen_image() -> None:
    longer = image("1.1.0") + bytes(16)
    made = delta.make(b"", longer)
    (Path("rel/artifacts") / sha256(made).hexdigest()).write_bytes(made)
    full = {"size": len(made), "sha256": base64url.encode(sha256(made).digest())}

    def change(payload: dict[str, Any]) -> None:
        del first(payload)["patches"]
        first(payload).update(size=len(longer), sha256=base64url.encode(sha256(longer).digest()), full=full)

    forge(change)


PATCH = f"model/digits: patch from {sha256(image('1.0.0')).hexdigest()[:12]}"


@pytest.mark.parametrize(
    ("spoil", "check", "said"),
    [
        (lambda: Path("rel/stable.jws").unlink(), "size", "stable.jws: No such file"),
        (lambda: Path("rel/stable.jws").write_bytes(b"x" * 4001), "size", "4001 characters, at most 4000"),
        (lambda: Path("rel/stable.jws").write_bytes(b"junk"), "header", "not three parts"),
        (spoil_header, "header", "alg is not ES256"),
        (spoil_signature, "signature", "does not match"),
        (spoil_hint, "hint", "devices ignore it"),
        (lambda: forge(lambda payload: payload.pop("boards")), "manifest", "boards"),
        (lambda: forge(lambda payload: payload.update(expires=int(time.time()) - 60)), "expiry", "has expired on"),
        (lower_counter, "floors", "devices that confirmed that one refuse this"),
        (swap_source, "model/digits: full source", "yields something else"),
        (cut_source, "model/digits: full source", "not the bytes that its name promises"),
        (lambda: forge(lambda payload: first(payload).update(version="1.1.1")), "model/digits: slot image", "1.1.1"),
        (
            lambda: forge(lambda payload: first(payload)["health"].update(correct=5)),
            "model/digits: slot image",
            "no trial can pass",
        ),
        (lengthen_image, "model/digits: slot image", "its header says"),
        (lambda: forge(lambda payload: first(payload)["patches"].update(size=7)), "model/digits: patches", "not the bytes"),
        (spoil_patch, PATCH, "yields something else"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_fault(here: Path, spoil: Callable[[], object], check: str, said: str) -> None:
    """It is found by its check, with its reason; the checks before it hold."""
    spoil()
    code, checks, error = verify()
    assert code == 1
    assert failed(checks) == [check]
    assert said in checks[check][1]
    assert check in error
    assert said in error
    before = [ok for ok, _ in list(checks.values())[: list(checks).index(check)]]
    assert all(ok is True for ok in before)


def test_a_hint_that_is_none(here: Path) -> None:
    """What is missing, or is no hint at all, is not there; and nothing else is asked of it."""
    assert verify()[1]["hint"] == (True, "right: devices need not compute the inverse of s")
    bare = token()
    for beside in (b"", b"~", b"~junk", b"~" + b"!" * 43, b"~" + b"A" * 90):
        Path("rel/stable.jws").write_bytes(bare + beside)
        code, checks, _ = verify()
        assert (code, checks["hint"][0]) == (0, True)
        assert checks["hint"][1].startswith("none: ")


def test_all_faults_in_one_run(here: Path) -> None:
    cut_source()
    forge(lambda payload: payload.update(expires=int(time.time()) - 60))
    code, checks, error = verify()
    assert code == 1
    assert failed(checks) == ["expiry", "model/digits: full source"]
    assert checks["model/digits: patches"][0] is None
    assert error.startswith("error: 2 of ")


# By a root in place of a key


def trusted(days: int = 0, signers: int = 1) -> keys.Signer:
    """Write 1.root, whose release key is k; return its root key."""
    signer, release_key = keys.Signer.generate(), keys.load_public(Path("k.pub.pem"))
    change = ceremony.Change({"root": [signer.public], "release": [release_key]}, days=days)
    Path("1.root").write_bytes(ceremony.packed(ceremony.sign(ceremony.propose(None, change), None, [signer] * signers)))
    return signer


def test_by_a_root(here: Path) -> None:
    trusted()
    code, checks, _ = verify("--root", "1.root")
    assert code == 0
    assert next(iter(checks)) == "root"
    assert "root 1, 1 of 1 signatures" in checks["root"][1]
    assert "is a release key of root 1" in checks["key"][1]


def test_a_root_that_nobody_signed(here: Path) -> None:
    trusted(signers=0)
    code, checks, _ = verify("--root", "1.root")
    assert (code, failed(checks)) == (1, ["root"])
    assert "no device takes root 1: 0 of 1" in checks["root"][1]
    assert checks["size"][0] is None


def test_a_root_that_has_expired(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted(days=1)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3 * 86400)
    code, checks, _ = verify("--root", "1.root")
    assert (code, failed(checks)) == (1, ["root"])
    assert "mulligan keys rotate" in checks["root"][1]


def test_a_revoked_key(here: Path) -> None:
    """After a rotation, what the old release key has signed is refused."""
    signer = trusted()
    first_root = ceremony.load(Path("1.root"))
    kid = keyset.key_id(keys.load_public(Path("k.pub.pem")))
    change = ceremony.Change({"release": [keys.Signer.generate().public]}, [kid])
    second = ceremony.sign(ceremony.propose(first_root, change), first_root, [signer])
    Path("2.root").write_bytes(ceremony.packed(second))
    assert kid not in root.keys_for(second.root, root.RELEASE)
    code, checks, _ = verify("--root", "2.root")
    assert (code, failed(checks)) == (1, ["key"])


@pytest.mark.parametrize("more", [(), ("--key", "k.pub.pem", "--root", "1.root")])
def test_a_key_or_a_root(here: Path, more: tuple[str, ...]) -> None:
    done = mulligan("release", "verify", "--dir", "rel", *more)
    assert_error(done.returncode, done.stderr, 2)


# The fleet order


ORDER = ["order: signature", "order: release", "order: expiry"]


@pytest.fixture
def fleet(here: Path) -> keys.Signer:
    """A fleet key, which 1.root names."""
    signer, fleet = keys.Signer.generate(), keys.create(Path("fleet.pem"))
    Path("1.root").write_bytes(ceremony.first([signer], [keys.load_public(Path("k.pub.pem"))], [fleet.public]))
    return fleet


def test_a_right_order(fleet: keys.Signer) -> None:
    done = mulligan(
        "release", "order", "--dir", "rel", "1.1.0", "--key", "fleet.pem", "--group", "canary", "--device", "a", "--device", "b"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"rel/stable.order.jws  order 1, for groups canary; devices a, b, kid {fleet.kid}\n"
    code, checks, _ = verify("--root", "1.root")
    assert (code, failed(checks)) == (0, [])
    assert [name for name in checks if name.startswith("order")] == ORDER
    assert f"kid {fleet.kid} is a fleet key of root 1" in checks["order: signature"][1]
    assert checks["order: release"][1].endswith("for groups canary; devices a, b")
    # A key alone does not say who may order.
    code, checks, _ = verify()
    assert (code, checks["order"][0], "--root" in checks["order"][1]) == (0, None, True)


def test_no_order(fleet: keys.Signer) -> None:
    code, checks, _ = verify("--root", "1.root")
    assert (code, checks["order"][0], "there is none" in checks["order"][1]) == (0, None, True)


def test_wrong_orders(fleet: keys.Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = release.Directory(Path("rel"))
    directory.order("1.1.0", keys.load_signer(Path("k.pem")))  # a release key
    code, checks, _ = verify("--root", "1.root")
    assert (code, failed(checks), checks["order: release"][0]) == (1, ["order: signature"], None)
    directory.order("1.0.0", fleet)
    code, checks, _ = verify("--root", "1.root")
    assert (code, failed(checks), "another release" in checks["order: release"][1]) == (1, ["order: release"], True)
    directory.order("1.1.0", fleet, channel="beta")
    directory.channel_order("beta").replace(directory.channel_order("stable"))
    code, checks, _ = verify("--root", "1.root")
    assert (code, failed(checks), "channel beta" in checks["order: release"][1]) == (1, ["order: release"], True)
    directory.order("1.1.0", fleet, days=1)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * 86400)
    code, checks, _ = verify("--root", "1.root")
    assert (code, failed(checks)) == (1, ["order: expiry"])
