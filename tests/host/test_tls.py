"""TLS between the agent and a server, on both real ports: whom a board talks to, whom it doesn't, and what it says then."""

import socket
import socketserver
import ssl
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from host.rig import QUICK, Rig, facts, image
from mulligan_host.authority import Authority, Identity
from mulligan_host.build import build_package
from mulligan_host.micropython import MicroPython
from mulligan_host.server import Fault
from mulligan_host.virtual.board import BoardError

"""A boot.py whose HTTP client waits a moment, not ten."""
UNSET = b"""
import machine
machine.WDT(timeout=30000)
import mulligan
from mulligan.port import system
system.Clock.now = lambda self: None
mulligan.boot()
"""
"""A boot.py on a board whose clock was never set, as far as Mulligan can tell. (mbedTLS asks the machine's.)"""


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def stranger() -> Authority:
    """Another authority, of the same name."""
    return Authority()


@pytest.fixture(scope="module", params=[32, 64])
def mp(request: pytest.FixtureRequest, micropythons: list[MicroPython]) -> MicroPython:
    found = next((mp for mp in micropythons if mp.bits == request.param), None)
    if found is None:
        pytest.skip(f"no {request.param}-bit MicroPython on this machine")
    return found


@pytest.fixture(scope="module")
def board(
    mp: MicroPython, micropythons: list[MicroPython], tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[Rig]:
    """A board with a certificate of its own, which a server may ask for or not."""
    credentials = authority.client("board-1")
    work = tmp_path_factory.mktemp("tls")
    with Rig(work, micropythons, tls=authority.server(), credentials=credentials, bits=mp.bits) as rig:
        rig.on()
        rig.build("1.1.0")
        yield rig


@pytest.fixture(scope="module")
def plain(
    mp: MicroPython, micropythons: list[MicroPython], tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[Rig]:
    """A board without a certificate, whose clock was never set."""
    work = tmp_path_factory.mktemp("plain")
    with Rig(work, micropythons, tls=authority.server(), extra={"boot.py": UNSET}, bits=mp.bits) as rig:
        rig.on()
        rig.build("1.1.0")
        yield rig


def refused(rig: Rig, shown: Identity | None, code: int, *said: str) -> str:
    """The board refuses the server that shows ``shown``, which then hears no request; return the reason."""
    before = rig.operations()
    rig.web.identity, good = shown, rig.web.identity
    try:
        rig.wait("waiting")  # perhaps of a poll that began before
        rig.web.requests.clear()
        with rig.unchanged():
            found = facts(rig.board.wait(lambda line: line.startswith("mulligan: waiting ") and all(s in line for s in said)))
        assert rig.web.requests == []
    finally:
        rig.web.identity = good
        talks(rig)
        with suppress(BoardError):  # nothing that it said of this one is left for the next
            while True:
                rig.board.wait("", timeout=0)
    assert found["code"] == str(code), found
    assert rig.operations() == before
    return found["reason"]


def talks(rig: Rig) -> None:
    """The board polls."""
    done = len(rig.web.requests)
    deadline = time.monotonic() + 30
    while len(rig.web.requests) < done + 2:
        assert time.monotonic() < deadline
        rig.served()


def at_most(identity: Identity, version: ssl.TLSVersion) -> Identity:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that is what is tested
        identity.context.minimum_version = ssl.TLSVersion.TLSv1
        identity.context.maximum_version = version
    identity.context.set_ciphers("ALL:@SECLEVEL=0")
    return identity


def asking(identity: Identity, clients: Authority) -> Identity:
    """``identity``, asking for a certificate by ``clients``."""
    identity.context.verify_mode = ssl.CERT_REQUIRED
    identity.context.load_verify_locations(cadata=clients.der)
    return identity


def test_another_authority(board: Rig, stranger: Authority) -> None:
    """Somebody in between, whose certificate is in order but not ours."""
    assert "not by an authority in ca" in refused(board, stranger.server(), 61, "localhost")


def test_another_host_name(board: Rig, authority: Authority) -> None:
    assert "another host name" in refused(board, authority.server(["example.org"]), 61, "localhost")


def test_an_expired_certificate(board: Rig, authority: Authority) -> None:
    """The date that the board's clock says is in the message, so that one sees which of the two is wrong."""
    reason = refused(board, authority.server(days=(-9, -2)), 61, "has expired")
    assert time.strftime("which says %Y-%m-", time.gmtime()) in reason


def test_a_certificate_that_is_not_valid_yet(board: Rig, authority: Authority) -> None:
    assert "renew it, or set the clock" in refused(board, authority.server(days=(2, 9)), 61, "is not valid yet")


def test_a_clock_that_was_never_set(plain: Rig, authority: Authority) -> None:
    """That the clock is to blame has a code of its own, and the way out is in the message."""
    reason = refused(plain, authority.server(days=(2, 9)), 62, "is not valid yet")
    assert "never set" in reason
    assert "ntptime.settime()" in reason
    assert "machine.RTC().datetime()" in reason
    assert "docs/SECURITY.md" in reason


def test_an_unset_clock_excuses_no_stranger(plain: Rig, stranger: Authority) -> None:
    refused(plain, stranger.server(["example.org"], days=(2, 9)), 61, "not by an authority in ca")


def test_an_old_version_of_tls(board: Rig, authority: Authority) -> None:
    refused(board, at_most(authority.server(), ssl.TLSVersion.TLSv1_1), 61, "other TLS versions")


def test_no_tls_at_all(board: Rig) -> None:
    """A plain answer on the port of an https URL."""
    refused(board, None, 60, "speaks no TLS")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name)
def test_both_versions_of_tls(board: Rig, authority: Authority, version: ssl.TLSVersion) -> None:
    board.web.identity = at_most(authority.server(), version)
    talks(board)


def test_a_server_that_wants_a_certificate(plain: Rig, authority: Authority) -> None:
    refused(plain, asking(authority.server(), authority), 61, "wants a certificate")


def test_an_update_by_a_board_without_a_clock(plain: Rig) -> None:
    """It takes the release, and says that it could not judge its expiry by a clock."""
    plain.directory.sign("1.1.0", plain.signer)
    assert plain.wait("found")["dated"] == "0"
    assert plain.wait("confirmed")["version"] == "1.1.0"


def test_a_certificate_that_the_server_does_not_know(board: Rig, authority: Authority, stranger: Authority) -> None:
    refused(board, asking(authority.server(), stranger), 61, "wants a certificate that it knows")


def test_an_update_over_mutual_tls(board: Rig, authority: Authority, stranger: Authority) -> None:
    """The last one on this board: after many a refusal, and over a link that drops, it has the memory to install."""
    board.web.identity = stranger.server()
    for _ in range(20):
        board.wait("waiting")
    board.web.identity = asking(authority.server(), authority)
    talks(board)
    drops = [Fault(drop_after=2500)]
    board.web.faults = lambda request: drops.pop() if drops and "/artifacts/" in request.path and not request.range else None
    board.directory.sign("1.1.0", board.signer)
    assert board.wait("confirmed")["version"] == "1.1.0"
    assert not drops
    board.now("1.1.0")
    assert board.board.partition("model_1").startswith(image("1.1.0"))


class Silent(socketserver.ThreadingTCPServer):
    """Takes every connection and the client's first words, and answers with ``drip``, a byte at a time, or with nothing."""

    daemon_threads = True
    address_family = socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)[0][0]
    drip = b""

    def __init__(self) -> None:
        super().__init__(("localhost", 0), SilentHandler)


class SilentHandler(socketserver.BaseRequestHandler):
    server: Silent

    def handle(self) -> None:
        with suppress(OSError):
            self.request.recv(4096)
            for byte in self.server.drip:
                self.request.sendall(bytes([byte]))
                time.sleep(0.02)
            time.sleep(5)


def test_a_handshake_that_never_ends(
    mp: MicroPython, micropythons: list[MicroPython], tmp_path: Path, authority: Authority
) -> None:
    """It has the same deadline as all else; the app goes on."""
    with Silent() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        url = f"https://localhost:{server.server_address[1]}/"
        with Rig(tmp_path / "rig", micropythons, url=url, ca=authority.der, extra={"boot.py": QUICK}, bits=mp.bits) as rig:
            rig.on()
            for drip in (b"", b"\x16\x03\x03\x40\x00" + b"\x02" * 200):
                server.drip = drip
                with rig.unchanged():
                    for _ in range(3):
                        found = rig.wait("waiting")
                        assert (found["code"], "too slow" in found["reason"]) == ("60", True), found
        server.shutdown()


CONTEXT = """
import sys
from mulligan.port import secure
def read(name):
    with open(name, "rb") as f:
        return f.read()
try:
    secure.context(*[read(name) if name != "-" else None for name in sys.argv[1:4]])
    print("taken")
except Exception as e:
    print(getattr(e, "code", type(e)), e)
"""


def test_what_the_files_may_hold(mp: MicroPython, tmp_path: Path, authority: Authority, stranger: Authority) -> None:
    """Authorities one after the other; a certificate with its key; nothing else."""
    cert, key = authority.client("board-1")
    files = {"one": authority.der, "two": stranger.der + authority.der, "cut": authority.der[:-1], "long": authority.der + b"\0"}
    files |= {"junk": b"junk", "empty": b"", "head": b"\x30\x82", "cert": cert, "key": key}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "check.py").write_text(f"import sys\nsys.path.insert(0, {str(build_package(mp))!r})\n{CONTEXT}")

    def said(ca: str, cert: str = "-", key: str = "-") -> str:
        command = mp.command(tmp_path / "check.py", ca, cert, key)
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        return done.stdout.strip() or done.stderr

    for ca in ("one", "two"):
        assert said(ca) == said(ca, "cert", "key") == "taken"
    for ca in ("-", "empty"):
        assert said(ca) == "61 https needs the certificate authority to trust: set ca"
    for ca in ("cut", "long", "junk", "head"):
        assert said(ca) == "61 ca: not certificates in DER", ca
    for files_ in (("cert", "cert"), ("key", "cert"), ("junk", "key"), ("cert", "junk"), ("cert", "-"), ("-", "key")):
        assert said("one", *files_).startswith("61 cert, key: not a certificate and its private key in DER"), files_


def test_two_authorities(
    mp: MicroPython, micropythons: list[MicroPython], tmp_path: Path, authority: Authority, stranger: Authority
) -> None:
    """While one authority takes over from another, a board that trusts both talks to servers of either, and to no third."""
    both = stranger.der + authority.der
    with Rig(tmp_path / "two", micropythons, tls=authority.server(), ca=both, bits=mp.bits) as rig:
        rig.on()
        talks(rig)
        rig.web.identity = stranger.server()
        talks(rig)
        refused(rig, Authority().server(), 61, "not by an authority in ca")
