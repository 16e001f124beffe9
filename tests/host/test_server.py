"""The demo's server: what a good one does, what a bad one does, and that real MicroPython trusts its certificate and no other."""

import http.client
import ssl
import subprocess
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from mulligan_host.micropython import MicroPython
from mulligan_host.server import Fault, Server, serve

DATA = bytes(range(256)) * 1000


@pytest.fixture
def site(tmp_path: Path) -> Path:
    directory = tmp_path / "site"
    directory.mkdir()
    (directory / "a.bin").write_bytes(DATA)
    (tmp_path / "secret").write_text("not served")
    return directory


@pytest.fixture
def server(site: Path) -> Iterator[Server]:
    with serve(site, tls=False) as running:
        yield running


def connect(server: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)


def get(server: Server, path: str = "/a.bin", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = connect(server)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def test_whole_file(server: Server) -> None:
    response, body = get(server)
    assert (response.status, body) == (200, DATA)
    assert response.headers["Content-Length"] == str(len(DATA))
    assert server.requests[0].sent == len(DATA)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=255999-", 255999, 256000),
        ("bytes=10-99", 10, 100),
        ("bytes=-5", 255995, 256000),
        ("bytes=100-999999999", 100, 256000),
        ("bytes=-999999999", 0, 256000),
    ],
)
def test_range(server: Server, asked: str, start: int, end: int) -> None:
    response, body = get(server, Range=asked)
    assert (response.status, body) == (206, DATA[start:end])
    assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(DATA)}"


@pytest.mark.parametrize("asked", ["bytes=256000-", "bytes=999999-1000000", "bytes=-0"])
def test_range_outside(server: Server, asked: str) -> None:
    response, body = get(server, Range=asked)
    assert (response.status, body) == (416, b"")
    assert response.headers["Content-Range"] == f"bytes */{len(DATA)}"


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=-", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b", ""])
def test_range_ignored(server: Server, asked: str) -> None:
    response, body = get(server, Range=asked)
    assert (response.status, body) == (200, DATA)


def test_if_range_guards_a_changed_file(server: Server, site: Path) -> None:
    etag = get(server)[0].headers["ETag"]
    assert get(server, Range="bytes=9-", If_Range=etag)[1] == DATA[9:]
    (site / "a.bin").write_bytes(DATA[::-1])
    response, body = get(server, Range="bytes=9-", If_Range=etag)
    assert (response.status, body) == (200, DATA[::-1])


def test_keep_alive_head_and_missing(server: Server) -> None:
    connection = connect(server)
    for method, path, status in (("HEAD", "/a.bin", 200), ("GET", "/none", 404), ("GET", "/a.bin", 200)):
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read()
        assert (response.status, bool(body)) == (status, method == "GET" and status == 200)
    connection.close()


@pytest.mark.parametrize("path", ["/../secret", "/%2e%2e/secret", "//../secret", "/", "/a.bin/../../secret"])
def test_nothing_outside_the_directory(server: Server, path: str) -> None:
    assert get(server, path)[0].status == 404


def test_faults(server: Server, site: Path) -> None:
    server.faults = lambda request: Fault(ignore_range=True)
    assert get(server, Range="bytes=5-")[0].status == 200
    server.faults = lambda request: Fault(redirect="/b.bin")
    assert get(server)[0].headers["Location"] == "/b.bin"
    server.faults = lambda request: Fault(status=HTTPStatus.SERVICE_UNAVAILABLE)
    assert get(server)[0].status == 503
    server.faults = lambda request: Fault(drip=(100_000, 0.001))
    assert get(server)[1] == DATA
    server.faults = lambda request: Fault(content_length=len(DATA) + 1)
    with pytest.raises(http.client.IncompleteRead) as too_short:
        get(server)
    assert too_short.value.partial == DATA
    server.faults = lambda request: Fault(drop_after=1000)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        get(server)

    def truncate(request: object) -> None:
        (site / "a.bin").write_bytes(b"other")

    server.faults = truncate
    assert get(server)[1] == b"other"


def test_end_closes_open_connections(site: Path) -> None:
    with serve(site, tls=False) as server:
        connection = connect(server)
        connection.request("GET", "/a.bin")
        connection.getresponse().read()
    connection.auto_open = 0
    with pytest.raises((http.client.HTTPException, OSError)):  # noqa: PT012 (either may be the first to notice)
        connection.request("GET", "/a.bin")
        connection.getresponse()
    connection.close()


def test_end_does_not_wait_for_a_slow_answer(site: Path) -> None:
    with serve(site, tls=False) as server:
        server.faults = lambda request: Fault(drip=(1, 0.01))
        connection = connect(server)
        connection.request("GET", "/a.bin")
        connection.getresponse().read(1)
        began = time.monotonic()
    assert time.monotonic() - began < len(DATA) * 0.01 / 2
    connection.close()


def test_tls_on_cpython(site: Path) -> None:
    with serve(site) as server:
        address = server.url.removeprefix("https://")
        connection = http.client.HTTPSConnection(address, context=ssl.create_default_context(cadata=server.ca_der))
        connection.request("GET", "/a.bin", headers={"Range": "bytes=1-2"})
        assert connection.getresponse().read() == DATA[1:3]
        connection.close()
        connection = http.client.HTTPSConnection(address, context=ssl.create_default_context())
        with pytest.raises(ssl.SSLCertVerificationError):
            connection.request("GET", "/a.bin")
        connection.close()


DEVICE = """
import socket, sys, tls
port, ca, name = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
context.verify_mode = tls.CERT_REQUIRED
with open(ca, "rb") as f:
    context.load_verify_locations(f.read())
address = socket.getaddrinfo("localhost", port, 0, socket.SOCK_STREAM)[0]
s = socket.socket(address[0], socket.SOCK_STREAM)
s.connect(address[-1])
try:
    t = context.wrap_socket(s, server_hostname=name)
    t.write(b"GET /a.bin HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\nRange: bytes=7-9\\r\\n\\r\\n")
    print(t.read()[-3:])
except (OSError, ValueError) as e:
    print("refused", e)
"""


def device(mp: MicroPython, tmp_path: Path, server: Server, ca_der: bytes, name: str) -> str:
    (tmp_path / "ca.der").write_bytes(ca_der)
    (tmp_path / "device.py").write_text(DEVICE)
    port = server.url.rpartition(":")[2]
    command = mp.command(tmp_path / "device.py", port, tmp_path / "ca.der", name)
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60).stdout.strip()


def test_micropython_verifies_the_certificate(micropythons: list[MicroPython], site: Path, tmp_path: Path) -> None:
    with serve(site) as server, serve(site) as stranger:
        for mp in micropythons:
            assert device(mp, tmp_path, server, server.ca_der, "localhost") == str(DATA[7:10])
            assert device(mp, tmp_path, server, stranger.ca_der, "localhost").startswith("refused")
            assert device(mp, tmp_path, server, server.ca_der, "example.org").startswith("refused")
        assert len(server.requests) == len(micropythons)
