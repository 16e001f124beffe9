"""Every attack on the model plane, by name, on the real agent: refused by its code, and nothing on the board has changed."""

import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from host.conftest import MakeRig
from host.rig import QUICK, Rig, chunk_sizes, facts, image
from mulligan.core import jws, limits, manifest
from mulligan_host import combs, delta, keys
from mulligan_host.micropython import MicroPython
from mulligan_host.server import Fault, Request, serve

"""A boot.py whose HTTP client waits a moment, not ten."""

TOO_LONG = limits.MAX_TOKEN + limits.MAX_HINT + 1


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, micropythons: list[MicroPython]) -> Iterator[Rig]:
    """A board that took 1.1.0, sequence and counter 2, after 1.0.0; 2.0.0 is built and not yet on offer."""
    with Rig(tmp_path_factory.mktemp("attacks"), micropythons) as rig:
        rig.on()
        rig.publish("1.1.0")
        assert rig.wait("found")["dated"] == "1"
        rig.wait("confirmed")
        rig.build("2.0.0", image("2.0.0", model="1.1.0"))
        yield rig


@pytest.fixture
def rig(shared: Rig) -> Iterator[Rig]:
    """The shared board, at peace before and after each attack."""
    files = {path: path.read_bytes() for path in (shared.directory.path / "artifacts").iterdir()}
    yield shared
    shared.directory.sign("1.1.0", shared.signer)  # first, or the attack's release would be installed once it is whole
    polled(shared)
    shared.web.faults = None
    for path, data in files.items():
        path.write_bytes(data)
    polled(shared)


def polled(rig: Rig) -> None:
    """Wait until the board has begun and ended a poll from now on."""
    done = manifests(rig)
    while manifests(rig) < done + 2:
        rig.served()


def manifests(rig: Rig) -> int:
    """How often the manifest was asked for."""
    return sum(request.path.endswith(".jws") for request in rig.web.requests)


@pytest.fixture
def stranger(tmp_path: Path) -> keys.Signer:
    return keys.create(tmp_path / "stranger.pem")


def refused(rig: Rig, code: int, offer: Callable[[], object], event: str = "refused") -> str:
    """``offer`` something; it must be answered by ``code``, with no flash operation; return the reason."""
    before = rig.operations()
    with rig.unchanged():
        offer()
        answer = rig.wait(event)
    assert answer["code"] == str(code), answer
    assert rig.operations() == before
    return answer["reason"]


def unpack(token: bytes) -> list[bytes]:
    return token.split(b".")


def b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def header(**fields: Any) -> bytes:
    return b64(json.dumps(fields, separators=(",", ":")).encode())


def good(rig: Rig) -> bytes:
    """A rightly signed manifest of release 2.0.0."""
    return rig.signer.sign(rig.directory.payload("2.0.0"))


def artifact_file(rig: Rig, blob: manifest.Blob | manifest.Patch) -> Path:
    digest: bytes = blob.sha256
    return rig.directory.path / "artifacts" / digest.hex()


def of(rig: Rig, version: str) -> manifest.Artifact:
    artifact: manifest.Artifact
    (artifact,) = next(r for r in rig.directory.releases() if r.release == version).artifacts
    return artifact


def patch_to(rig: Rig, version: str, base: bytes) -> manifest.Patch:
    index = manifest.parse_index(artifact_file(rig, of(rig, version).patches).read_bytes())
    found: manifest.Patch = next(patch for patch in index if patch.base == hashlib.sha256(base).digest() and not patch.heap)
    return found


# The manifest


def test_arbitrary_software(rig: Rig, stranger: keys.Signer) -> None:
    """Signed by a key that the board does not hold."""
    assert "not pinned" in refused(rig, 20, lambda: rig.directory.sign("2.0.0", stranger))


def test_arbitrary_software_under_a_stolen_name(rig: Rig, stranger: keys.Signer) -> None:
    """Signed by a stranger who claims the kid of the board's own key."""
    stranger.kid = rig.signer.kid
    assert "does not match" in refused(rig, 20, lambda: rig.directory.sign("2.0.0", stranger))


def test_rollback(rig: Rig) -> None:
    """An old artifact in a new release: rightly signed, and its counter is below the floor."""
    payload = {**rig.payload("1.0.0"), "sequence": 99}
    assert "floor is 2" in refused(rig, 33, lambda: rig.forge(payload))


def test_replay(rig: Rig) -> None:
    """The old release as it once was signed."""
    assert "sequence 1 is below 2" in refused(rig, 33, lambda: rig.directory.sign("1.0.0", rig.signer))


def test_freeze(rig: Rig) -> None:
    """A release that is shown for ever runs out."""
    payload = {**rig.payload("2.0.0"), "expires": int(time.time()) - 60}
    assert "expired" in refused(rig, 32, lambda: rig.forge(payload))


def test_wrong_board(rig: Rig) -> None:
    payload = {**rig.payload("2.0.0"), "boards": ["virtual2", "other"]}
    assert "virtual2/other" in refused(rig, 31, lambda: rig.forge(payload))


@pytest.mark.parametrize(("plane", "code"), [("firmware", 10), ("app", 10), ("config", 36)])
def test_wrong_plane(rig: Rig, plane: str, code: int) -> None:
    """A model, signed as something else: never activated. A config slot is too small for it, and not even written."""
    payload = rig.payload("2.0.0")
    payload["artifacts"][0]["plane"] = plane
    before = len(rig.all("activated"))
    with rig.unchanged():
        rig.forge(payload)
        answer = rig.wait("refused")
    assert (answer["code"], plane in answer["reason"]) == (str(code), True)
    assert len(rig.all("activated")) == before


def test_unmet_dependency(rig: Rig) -> None:
    payload = rig.payload("2.0.0")
    payload["artifacts"][0]["requires"] = {"firmware": "99.0.0"}
    assert "99.0.0" in refused(rig, 34, lambda: rig.forge(payload))


def test_larger_than_the_slot(rig: Rig) -> None:
    payload = rig.payload("2.0.0")
    payload["artifacts"][0]["size"] = 1 << 20
    del payload["artifacts"][0]["patches"]
    assert "do not fit" in refused(rig, 36, lambda: rig.forge(payload))


@pytest.mark.parametrize("signature", [b"", b64(bytes(64)), b64(b"\xff" * 64), b64(bytes(63)), b64(bytes(65))])
def test_stripped_signature(rig: Rig, signature: bytes) -> None:
    head, payload, _ = unpack(good(rig))
    refused(rig, 20, lambda: rig.offer(b".".join((head, payload, signature))))


def test_no_signature_at_all(rig: Rig) -> None:
    refused(rig, 10, lambda: rig.offer(b".".join(unpack(good(rig))[:2])))
    refused(rig, 10, lambda: rig.offer(rig.directory.payload("2.0.0")))


def test_a_payload_under_another_signature(rig: Rig) -> None:
    head, _, signature = unpack(rig.signer.sign(rig.directory.payload("1.1.0")))
    refused(rig, 20, lambda: rig.offer(b".".join((head, unpack(good(rig))[1], signature))))


def test_algorithm_confusion_none(rig: Rig) -> None:
    _, payload, signature = unpack(good(rig))
    for alg in ("none", "None", "", "ES384", "RS256"):
        head = header(alg=alg, kid=rig.signer.kid)
        assert "ES256" in refused(rig, 20, lambda head=head: rig.offer(b".".join((head, payload, signature))))  # type: ignore[misc]
    refused(rig, 20, lambda: rig.offer(b".".join((header(alg="none"), payload, b""))))


def test_algorithm_confusion_hmac(rig: Rig) -> None:
    """HS256 with the public key, which everyone knows, as the secret."""
    signed = header(alg="HS256", kid=rig.signer.kid) + b"." + unpack(good(rig))[1]
    for secret in (rig.signer.public, b"\x04" + rig.signer.public):
        token = signed + b"." + b64(hmac.digest(secret, signed, "sha256"))
        refused(rig, 20, lambda token=token: rig.offer(token))  # type: ignore[misc]


@pytest.mark.parametrize("more", [{"jwk": {"kty": "EC"}}, {"jku": "https://x"}, {"crit": ["b64"], "b64": False}, {"typ": "JWT"}])
def test_a_key_brought_along_in_the_header(rig: Rig, stranger: keys.Signer, more: dict[str, Any]) -> None:
    _, payload, signature = unpack(stranger.sign(rig.directory.payload("2.0.0")))
    head = header(alg="ES256", kid=rig.signer.kid, **more)
    assert "not exactly" in refused(rig, 20, lambda: rig.offer(b".".join((head, payload, signature))))


@pytest.mark.parametrize(
    "token", [b".", b"..", b"...", b"\xff.\xfe.\xfd", b"e30.e30.e30", b"{}", b"\0" * 100], ids=lambda token: token[:8].hex()
)
def test_garbage(rig: Rig, token: bytes) -> None:
    before = rig.operations()
    with rig.unchanged():
        rig.offer(token)
        assert rig.wait("refused")["code"] in ("10", "20")
    assert rig.operations() == before


def test_signed_garbage(rig: Rig) -> None:
    """Even the right key can sign nonsense."""
    for payload in (b"", b"{}", b"[]", b"null", b"{" * 500, b'{"mulligan":1,"mulligan":1}', b"\xff\xfe", b"9" * 500):
        refused(rig, 10, lambda payload=payload: rig.offer(rig.signer.sign(payload)))  # type: ignore[misc]


def test_an_unknown_critical_field(rig: Rig) -> None:
    payload = {**rig.payload("2.0.0"), "critical": ["rollout"], "rollout": 5}
    assert "rollout" in refused(rig, 10, lambda: rig.forge(payload))


def test_endless_manifest(rig: Rig) -> None:
    assert "at most 4044" in refused(rig, 60, lambda: rig.offer(good(rig) + b"A" * limits.MAX_TOKEN), "waiting")


def test_hints_that_are_missing_false_or_garbage(make_rig: MakeRig) -> None:
    """A hint is never trusted, and never needed: each of these updates goes through, and what is signed alone counts."""
    rig = make_rig()
    rig.on()
    for i, beside in enumerate((b"", b"~junk~" + b"!" * 43, jws.beside(b"", bytes(31) + b"\1"))):
        version = f"2.{i}.1"
        rig.build(version, image(version, model=("1.0.0", "1.1.0")[i % 2]))
        rig.offer(rig.signer.sign(rig.directory.payload(version)) + beside)
        assert rig.wait("confirmed")["version"] == version


def test_a_hint_vouches_for_nothing(rig: Rig) -> None:
    """The right hint of another signature, beside one that is false."""
    token = good(rig)
    spoilt = token[:-10] + (b"A" if token[-10:-9] != b"A" else b"B") + token[-9:]
    for signature in (token, spoilt):
        offered = jws.beside(spoilt, combs.short_hint(jws.signature(signature)))
        assert "does not match" in refused(rig, 20, lambda offered=offered: rig.offer(offered))  # type: ignore[misc]


# The artifacts


def test_partial_bundle(rig: Rig) -> None:
    """The manifest is there, what it names is not."""

    def offer() -> None:
        for blob in (of(rig, "2.0.0").full, of(rig, "2.0.0").patches):
            artifact_file(rig, blob).unlink()
        rig.offer(good(rig))

    assert "404" in refused(rig, 63, offer, "waiting")


def test_mix_and_match_of_the_index(rig: Rig) -> None:
    """The patch index of another release, to lead the board to another release's patch."""

    def offer() -> None:
        other = artifact_file(rig, of(rig, "1.1.0").patches).read_bytes()
        artifact_file(rig, of(rig, "2.0.0").patches).write_bytes(other)
        rig.offer(good(rig))

    assert "index" in refused(rig, 60, offer, "waiting")


def test_mix_and_match_of_the_artifact(rig: Rig) -> None:
    """Another release's artifact, whole and once rightly signed, in place of this one's."""

    def offer() -> None:
        other = artifact_file(rig, of(rig, "1.0.0").full).read_bytes()
        for blob in (of(rig, "2.0.0").full, patch_to(rig, "2.0.0", image("1.1.0"))):
            artifact_file(rig, blob).write_bytes(other[: blob.size])
        rig.offer(good(rig))

    refused(rig, 40, offer)


def test_wrong_base(rig: Rig) -> None:
    """A patch against another base under the name of the right one; the full artifact is withheld."""
    wrong = delta.make(image("1.0.0"), image("2.0.0", model="1.1.0"))
    before = rig.operations()
    patch = patch_to(rig, "2.0.0", image("1.1.0"))

    def offer() -> None:
        artifact_file(rig, of(rig, "2.0.0").full).unlink()
        artifact_file(rig, patch).write_bytes(wrong)
        rig.web.faults = lambda request: Fault(content_length=patch.size) if request.path.endswith(patch.sha256.hex()) else None
        rig.offer(good(rig))

    with rig.unchanged():
        offer()
        failed = rig.wait("patch-failed")
        assert rig.wait("waiting")["code"] == "63"
    assert failed["code"] == "41"
    assert "another base" in failed["reason"]
    assert rig.operations() == before


def test_extra_data_after_the_patch(rig: Rig) -> None:
    """The transfer ends before anything of it is used."""

    def offer() -> None:
        path = artifact_file(rig, patch_to(rig, "2.0.0", image("1.1.0")))
        path.write_bytes(path.read_bytes() + b"extra")
        rig.offer(good(rig))

    assert "at most" in refused(rig, 60, offer, "waiting")


def test_extra_data_from_the_patch(rig: Rig) -> None:
    """A patch that yields more than the manifest's size."""
    longer = delta.make(image("1.1.0"), image("2.0.0", model="1.1.0") + bytes(5000))
    patch = patch_to(rig, "2.0.0", image("1.1.0"))

    def offer() -> None:
        artifact_file(rig, of(rig, "2.0.0").full).unlink()
        artifact_file(rig, patch).write_bytes(longer[: patch.size])
        rig.offer(good(rig))

    assert "yields" in refused(rig, 40, offer, "patch-failed")


def test_spoilt_downloads_wear_the_slot_less_and_less(rig: Rig) -> None:
    """Each attempt erases, so each is followed by a longer rest."""
    target = of(rig, "2.0.0")
    for blob in (target.full, *manifest.parse_index(artifact_file(rig, target.patches).read_bytes())):
        path = artifact_file(rig, blob)
        path.write_bytes(path.read_bytes()[:-20] + bytes(20))
    polls = []
    with rig.unchanged():
        rig.offer(good(rig))
        for _ in range(5):
            assert rig.wait("refused")["code"] == "40"
            polls.append(manifests(rig))
    rests = [later - earlier for earlier, later in itertools.pairwise(polls)]
    assert all(rest >= least for rest, least in zip(rests, (2, 4, 8, 16), strict=True)), rests


def test_endless_artifact(rig: Rig) -> None:
    def offer() -> None:
        rig.web.faults = lambda request: Fault(content_length=1 << 30) if "/artifacts/" in request.path else None
        rig.offer(good(rig))

    assert "at most" in refused(rig, 60, offer, "waiting")


def test_redirect(rig: Rig) -> None:
    """To a mirror that nobody named: not followed, not for the manifest and not for an artifact."""
    for what in ("stable.jws", "/artifacts/"):
        done = len(rig.web.requests)

        def faults(request: Request, what: str = what) -> Fault | None:
            return Fault(redirect="/elsewhere") if what in request.path else None

        def offer(faults: Callable[[Request], Fault | None] = faults) -> None:
            rig.web.faults = faults
            rig.offer(good(rig))

        assert "302" in refused(rig, 60, offer, "waiting")
        assert not [request for request in rig.web.requests[done:] if "elsewhere" in request.path]


def test_toctou_between_writing_and_verifying(make_rig: MakeRig) -> None:
    """What is verified is what the flash holds: a chunk changed after it was written and checked is found."""
    rig = make_rig(model=image("0.9.0", model="1.0.0"), released=False)
    rig.on()
    patch = rig.build("1.1.0").artifacts[0].full
    sizes = chunk_sizes(rig.directory, patch)
    drops = [Fault(drop_after=patch.size - sum(sizes[-2:]), drip=(128, 0.02))]

    def faults(request: Request) -> Fault | None:
        if not request.path.endswith(patch.sha256.hex()):
            return None
        if request.range is not None and rig.board.flash.peek(rig.address("model_1"), 4) == b"MSLT":
            # The board has just decided from where to go on, trusting what comes before.
            rig.board.flash.poke(rig.address("model_1") + 2000, b"evil")
        return drops.pop() if drops else None

    rig.web.faults = faults
    before = rig.entry()
    rig.directory.sign("1.1.0", rig.signer)
    rig.wait("found")
    assert rig.wait("waiting")["code"] == "60"
    found = rig.wait("waiting")
    assert (found["code"], "does not hold" in found["reason"]) == ("50", True)
    entry = rig.entry()
    assert (entry.image, entry.trial, entry.floor, entry.frozen) == (before.image, None, before.floor, [])
    rig.web.faults = None
    rig.wait("confirmed")
    assert rig.board.partition("model_1").startswith(image("1.1.0"))


# The server


def test_a_server_of_another_authority(make_rig: MakeRig, tmp_path: Path) -> None:
    """Somebody in between, whose certificate is in order but not ours."""
    with serve(tmp_path) as other:
        rig = make_rig(tls=True, ca=other.ca_der)
    rig.on()
    rig.build("1.1.0")
    refused(rig, 61, lambda: rig.directory.sign("1.1.0", rig.signer), "waiting")
    assert not rig.web.requests


def test_https_without_an_authority_to_trust(make_rig: MakeRig) -> None:
    rig = make_rig(tls=True, ca=b"")
    rig.on()
    assert "set ca" in refused(rig, 61, lambda: rig.publish("1.1.0"), "waiting")
    assert not rig.web.requests


class Raw(socketserver.ThreadingTCPServer):
    """Answers every connection with ``answer`` as it is, ``pause`` seconds between its bytes if not 0."""

    daemon_threads = True
    answer = b""
    pause = 0.0
    sent = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RawHandler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class RawHandler(socketserver.BaseRequestHandler):
    server: Raw

    def handle(self) -> None:
        self.request.recv(4096)
        with contextlib.suppress(OSError):
            if not self.server.pause:
                self.request.sendall(self.server.answer)
                return
            for byte in self.server.answer:
                self.request.sendall(bytes([byte]))
                self.server.sent += 1
                time.sleep(self.server.pause)


@pytest.fixture(scope="module")
def raw() -> Iterator[Raw]:
    with Raw() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory, micropythons: list[MicroPython], raw: Raw) -> Iterator[Rig]:
    """A board whose server is ``raw``."""
    with Rig(tmp_path_factory.mktemp("raw"), micropythons, url=raw.url, extra={"boot.py": QUICK}) as rig:
        raw.answer = b"HTTP/1.1 418 none\r\n\r\n"
        rig.on()
        yield rig


def answered(victim: Rig, raw: Raw, answer: bytes, said: str) -> None:
    """The board takes ``answer`` for a lost link, and says so."""
    raw.answer = answer
    with victim.unchanged():
        victim.board.wait(lambda line: line.startswith("mulligan: waiting ") and said in line and facts(line)["code"] == "60")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "link lost"),
        (b"\r\n\r\n", "not an HTTP server"),
        (b"SSH-2.0-server\r\n", "not an HTTP server"),
        (b"HTTP/1.1 \xff\xfe OK\r\n\r\n", "not an HTTP server"),
        (b"HTTP/1.1 200 OK\r\n", "link lost"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "no content length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "no content length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0x10\r\n\r\n", "no content length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "no content length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n", "at most"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % TOO_LONG + b"A" * TOO_LONG, "at most"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"5\r\nhello\r\n" * 1000, "encoded"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", "encoded"),
        (b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-4/5\r\nContent-Length: 5\r\n\r\nhello", "status 206"),
        (b"HTTP/1.1 200 " + b"A" * 100000, "line too long"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100000, "too many header lines"),
        (b"HTTP/1.1 200 OK\r\n" + b"A" * 100000, "line too long"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", "link lost"),
    ],
    ids=lambda value: value[:24].decode(errors="replace").strip() if isinstance(value, bytes) else value,
)
def test_a_server_that_talks_nonsense(victim: Rig, raw: Raw, answer: bytes, said: str) -> None:
    answered(victim, raw, answer, said)


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n", b""], ids=["body", "head"])
def test_slow_retrieval(victim: Rig, raw: Raw, head: bytes) -> None:
    """A byte now and then, each in time: the board gives up on it, and works on meanwhile."""
    raw.pause, raw.sent = 0.01 if head else 0.05, 0
    try:
        answered(victim, raw, head + b"A" * 4000, "too slow")
    finally:
        raw.pause = 0.0
    assert 0 < raw.sent < 1000
