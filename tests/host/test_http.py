"""The HTTP client on real MicroPython against a server that answers whatever a test wants; and resumed downloads."""

import itertools
import json
import os
import random
import re
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from host.conftest import MakeRig
from host.rig import chunk_sizes, image
from host.test_update import confirmed, downloads, is_at, patch_of
from mulligan_host.build import build_package
from mulligan_host.micropython import MicroPython
from mulligan_host.server import Fault, Request
from powerloss import device

# Gets each of the (url, start, limit) that it is given with one client; prints what came of it, a JSON list a line.
PROBE = """
import json, sys
from mulligan.port.http import Client
client = Client(lambda: (None, None, None), lambda: None, 0.5)
tag = ""
for url, start, limit in json.loads(open(sys.argv[-1]).read()):
    try:
        body = client.get(url, start, limit, tag if start else "")
        tag = body.tag
        piece = bytearray(7)
        while body.skip(piece):
            pass
        data = body.read()
        print(json.dumps([body.size, data.decode()]))
        body.close()
    except Exception as e:
        print(json.dumps([type(e).__name__, str(e)]))
"""
FILE = b"0123456789" * 20
OK = b'HTTP/1.1 200 OK\r\nETag: "one"\r\nContent-Length: 200\r\n\r\n' + FILE


def part(start: int, what: bytes = b"", etag: bytes = b'"one"', length: int | None = None) -> bytes:
    """A right answer to a range; ``what`` in place of its Content-Range."""
    rest = FILE[start:]
    named = what or b"bytes %d-199/200" % start
    head = b"HTTP/1.1 206 Partial Content\r\nContent-Range: %s\r\nContent-Length: %d\r\n" % (named, length or len(rest))
    return head + (b"ETag: %s\r\n" % etag if etag else b"") + b"\r\n" + rest


class Adversary:
    """``answers`` in turn, one a connection: bytes, or what does as it likes with the socket. ``asked``: what came."""

    def __init__(self) -> None:
        self.answers: list[bytes | Callable[[socket.socket], None]] = []
        self.asked: list[str] = []
        self.url = ""


@contextmanager
def adversary() -> Iterator[Adversary]:
    made = Adversary()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            link: socket.socket = self.request
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                if not (more := link.recv(4096)):
                    return
                request += more
            made.asked.append(request.decode())
            answer = made.answers.pop(0)
            try:
                if callable(answer):
                    answer(link)
                else:
                    link.sendall(answer)
            except OSError:
                pass  # the client has had enough

    family, _, _, _, address = socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)[0]
    kind = type("Server", (socketserver.ThreadingTCPServer,), {"address_family": family, "daemon_threads": True})
    server = kind(address, Handler)
    made.url = f"http://localhost:{server.server_address[1]}/file"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def drip(link: socket.socket) -> None:
    """A byte now and then: never silent for as long as the client waits, and never done."""
    for i in range(len(OK)):
        link.sendall(OK[i : i + 1])
        time.sleep(0.05)


def reset(link: socket.socket) -> None:
    link.sendall(OK[:100])


def silent(link: socket.socket) -> None:
    time.sleep(1)


FROM = FILE[50:].decode()
RIGHT = [150, FROM]
CASES: dict[str, tuple[bytes | Callable[[socket.socket], None], object]] = {
    "the range": (part(50), RIGHT),
    "a range without an ETag": (part(50, etag=b""), RIGHT),
    "200, the whole file": (OK, RIGHT),
    "200, another file": (OK.replace(b"one", b"two").replace(b"01", b"xy"), [150, FROM.replace("01", "xy")]),
    "200, a shorter file": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + FILE[:10], "shorter"),
    "200, a longer file": (b"HTTP/1.1 200 OK\r\nContent-Length: 201\r\n\r\n" + FILE + b"x", "201 bytes, at most 200"),
    "200, cut short": (OK[:100], "closed by the server"),
    "206, cut short": (part(50)[:-1], "closed by the server"),
    "206, and more behind it": (part(50) + b"more", RIGHT),
    "206, from elsewhere": (part(40, length=160), "another range"),
    "206, another end": (part(50, b"bytes 50-198/200"), "another range"),
    "206, of a longer file": (part(50, b"bytes 50-199/300"), "another range"),
    "206, another length": (part(50, length=149), "another range"),
    "206, no range": (part(50).replace(b"Content-Range", b"X"), "another range"),
    "206, of unknown size": (part(50, b"bytes 50-199/*"), "another range"),
    "206, too long": (part(50, b"bytes 50-249/250", length=200) + bytes(50), "250 bytes, at most 200"),
    "206, another file": (part(50, etag=b'"two"'), "another file than before"),
    "416": (b"HTTP/1.1 416 x\r\nContent-Range: bytes */10\r\nContent-Length: 0\r\n\r\n", "416: the file has become shorter"),
    "404": (b"HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n", "status 404"),
    "500": (b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n", "status 500"),
    "304": (b"HTTP/1.1 304 x\r\n\r\n", "a redirect, and those are not followed"),
    "301": (
        b"HTTP/1.1 301 x\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n",
        "a redirect, and those are not followed",
    ),
    "308": (b"HTTP/1.1 308 x\r\nLocation: /other\r\n\r\n", "a redirect, and those are not followed"),
    "chunked": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "encoded body"),
    "gzip": (OK.replace(b"ETag", b"Content-Encoding: gzip\r\nETag"), "encoded body"),
    "no length": (b"HTTP/1.1 200 OK\r\n\r\n" + FILE, "no content length"),
    "a negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "no content length"),
    "a huge length": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "no content length"),
    "no HTTP": (b"SSH-2.0-x\r\n", "not an HTTP server"),
    "nothing": (b"", "closed by the server"),
    "a head without an end": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 40, "too many header lines"),
    "a line without an end": (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 600, "header line too long"),
    "half a head": (b"HTTP/1.1 200", "closed by the server"),
    "a drip": (drip, "too slow"),
    "a lost link": (reset, "closed by the server"),
    "silence": (silent, "too slow"),
}


@pytest.mark.parametrize("bits", [32, 64])
def test_what_a_server_may_answer_to_a_range(bits: int, micropythons: list[MicroPython], tmp_path: Path) -> None:
    """Each after the file was seen under its ETag; what is right gives the rest of the file, and what is not gives none of it."""
    mp = next((mp for mp in micropythons if mp.bits == bits), None)
    if mp is None:
        pytest.skip(f"no {bits}-bit MicroPython on this machine")
    with adversary() as server:
        server.answers = list(itertools.chain.from_iterable((OK, answer) for answer, _ in CASES.values()))
        asked = [(server.url, start, 200) for _ in CASES for start in (0, 50)]
        (tmp_path / "probe.py").write_text(PROBE)
        (tmp_path / "asked.json").write_text(json.dumps(asked))
        command = mp.command(tmp_path / "probe.py", tmp_path / "asked.json", heap="1M")
        environment = {**os.environ, "MICROPYPATH": f".frozen:{build_package(mp)}"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(asked), done.stderr
    for (name, (_, expected)), whole, rest in zip(CASES.items(), found[::2], found[1::2], strict=True):
        assert whole == [200, FILE.decode()]
        if isinstance(expected, str):
            assert rest[0] in ("TransportError", "NotFound"), name
            assert expected in rest[1], name
        else:
            assert rest == expected, name
    assert all('Range: bytes=50-\r\nIf-Range: "one"\r\n' in asked for asked in server.asked[1::2])
    assert not any("Range" in asked for asked in server.asked[::2])


def test_a_tag_that_promises_no_bytes_is_not_asked_by() -> None:
    """A weak ETag, none, and one that could break the request out of its line."""
    with device.wired() as board:
        http = __import__("mulligan.port.http", fromlist=["Client"])
        for tag in (b"", b'ETag: W/"one"\r\n', b'ETag: "a b"\r\n', b'ETag: "a\rX: y"\r\n', b"ETag: one\r\n"):
            asked: list[bytes] = []

            class Site(device.Site):
                def answer(self, request: bytes, tag: bytes = tag, asked: list[bytes] = asked) -> bytes:
                    asked.append(request)
                    return OK.replace(b'ETag: "one"\r\n', tag) if len(asked) == 1 else part(50)

            with device.online(Site({})):
                client = http.Client(lambda: None, lambda: None)
                tag = client.get("http://site/file", 0, 200).tag
                client.get("http://site/file", 50, 200, tag)
            assert b"If-Range" not in asked[1]
        assert board


# Whole downloads


def test_a_disconnect_costs_one_block_at_most(make_rig: MakeRig) -> None:
    """A link that is lost every few hundred bytes: what the server sends twice for each loss is one chunk, beside the table."""
    rig = make_rig(model=image("0.9.0", model="1.0.0"), released=False)
    rig.on()
    built = rig.build("1.1.0")
    full = built.artifacts[0].full
    sizes = chunk_sizes(rig.directory, full)
    head = full.size - sum(sizes)
    chance = random.Random(4)

    def lose(request: Request) -> Fault | None:
        if not is_at(request, full) or sum(is_at(other, full) for other in rig.web.requests) > 12:
            return None
        return Fault(drop_after=head + chance.randrange(200, 9000), drip=(128, 0.02))

    rig.web.faults = lose
    rig.directory.sign("1.1.0", rig.signer)
    confirmed(rig, "1.1.0")
    ranged = [request for request in downloads(rig) if is_at(request, full) and request.range]
    assert len(ranged) > 3
    assert all(request.if_range for request in ranged)
    # What was on its way, less than two pieces here, is lost with the link; and the chunk that it was part of.
    for before, after in itertools.pairwise(ranged):
        again = start_of(before) + before.sent - start_of(after)
        assert again <= max(sizes) + 1024, (before, after)


def start_of(request: Request) -> int:
    return int(re.findall(r"\d+", request.range or "")[0])


def test_a_server_without_ranges_is_good_enough(make_rig: MakeRig) -> None:
    """It sends the whole file each time: what the board holds is passed over, and the update gets on."""
    rig = make_rig()
    rig.on()
    built = rig.build("1.1.0", image("1.1.0", model="1.3.0-slow"))  # two chunks of patch
    patch = patch_of(rig, built)
    drops = [Fault(drop_after=patch.size * 9 // 10, drip=(128, 0.02))]
    rig.web.faults = lambda request: drops.pop() if is_at(request, patch) and drops else Fault(ignore_range=True)
    rig.directory.sign("1.1.0", rig.signer)
    rig.wait("waiting")
    rig.wait("confirmed")
    installed = rig.all("installed")[-1]
    assert int(installed["resumed"]) > 0
    assert installed["source"] == "patch"
    assert [request.status for request in downloads(rig) if is_at(request, patch)] == [200] * 3


def test_a_file_that_changes_between_two_requests_is_found_out(make_rig: MakeRig) -> None:
    """The range is of the file that the table came from, or it is none: If-Range."""
    rig = make_rig()
    rig.on()
    built = rig.build("1.1.0", image("1.1.0", model="1.3.0-slow"))  # two chunks of patch
    patch = patch_of(rig, built)
    path = rig.directory.path / "artifacts" / patch.sha256.hex()
    good = path.read_bytes()
    drops = [Fault(drop_after=patch.size * 9 // 10, drip=(128, 0.02))]

    def change(request: Request) -> Fault | None:
        if is_at(request, patch) and request.range:
            path.write_bytes(good[: patch.size // 3] + bytes(patch.size - patch.size // 3))
        return drops.pop() if is_at(request, patch) and drops else None

    rig.web.faults = change
    rig.directory.sign("1.1.0", rig.signer)
    assert rig.wait("patch-failed")["code"] == "40"
    rig.wait("confirmed")
    assert rig.all("installed")[-1]["source"] == "full"
    (ranged,) = [request for request in downloads(rig) if is_at(request, patch) and request.range]
    assert ranged.if_range is not None
    assert ranged.status == 200
