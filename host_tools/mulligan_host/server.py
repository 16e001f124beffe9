"""A static file server on the loopback interface, for the demo and for tests: HTTP/1.1, over TLS with a certificate of its own.

It serves a directory as any web server would (RFC 9110: Range, ETag, If-Range, keep-alive) and, on demand, as a bad one does:
see Fault. Where it is told nothing else it has a certificate of a throwaway authority.
"""

import contextlib
import hashlib
import re
import socket
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mulligan_host.authority import Authority, Identity

_BLOCK = 1 << 16
_NO_LINGER = struct.pack("ii", 1, 0)  # close with a reset, as a link that is lost


@dataclass
class Request:
    """One request as it came, and how it was answered."""

    method: str
    path: str
    range: str | None
    if_range: str | None
    status: int = 0
    sent: int = 0
    """Bytes of body handed to the network."""


@dataclass(frozen=True)
class Fault:
    """What to do wrong with one answer; each field left alone does nothing."""

    ignore_range: bool = False
    """Answer 200 with the whole file to a request for a range."""
    drop_after: int | None = None
    """Reset the connection after so many bytes of body."""
    drip: tuple[int, float] | None = None
    """Send so many bytes of body at a time, with so many seconds between."""
    redirect: str | None = None
    """Answer 302 with this Location."""
    status: HTTPStatus | None = None
    """Answer this with an empty body."""
    content_length: int | None = None
    """State this length, whatever is sent."""


class Server:
    """A running server. ``faults`` is asked before each answer; it may also change the files. Set it at any time."""

    def __init__(self, directory: Path, url: str, identity: Identity | None) -> None:
        self.directory = directory.resolve()
        self.url = url
        """Without a slash at the end."""
        self.identity = identity
        """What it shows from the next connection on; None without TLS. Set it at any time."""
        self.requests: list[Request] = []
        self.faults: Callable[[Request], Fault | None] | None = None

    @property
    def ca_der(self) -> bytes:
        """The certificate to trust, as DER; empty without TLS."""
        return self.identity.ca_der if self.identity else b""


@contextlib.contextmanager
def serve(directory: Path, tls: bool | Identity = True) -> Iterator[Server]:
    """Serve the files under ``directory`` at ``.url`` until the context ends, which also ends every connection."""
    # The address that a client gets for this name first: ::1 on some machines, 127.0.0.1 on others.
    family, _, _, _, address = socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)[0]
    identity = tls if isinstance(tls, Identity) else Authority().server() if tls else None
    listener = _Listener(family, address)
    scheme = "https" if tls else "http"
    server = listener.server = Server(directory, f"{scheme}://localhost:{listener.server_address[1]}", identity)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        thread.join()
        listener.hang_up()
        listener.server_close()


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    server: Server

    def __init__(self, family: int, address: object) -> None:
        self.address_family = family
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)  # type: ignore[arg-type]

    def finish_request(self, request: object, client_address: object) -> None:
        """Runs in the connection's thread: a client that is slow to shake hands holds up nobody else."""
        assert isinstance(request, socket.socket)
        with contextlib.ExitStack() as stack:
            connection = request
            if self.server.identity is not None:
                connection = self.server.identity.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
                stack.callback(connection.close)
            with self._lock:
                self._open.add(connection)
            try:
                if isinstance(connection, ssl.SSLSocket):
                    connection.do_handshake()
                _Handler(connection, client_address, self)
            except OSError:
                pass  # the client gave up, or does not trust us: its business
            finally:
                with self._lock:
                    self._open.discard(connection)

    def hang_up(self) -> None:
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Dropped(Exception):
    """The fault asked for the connection to end here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: ``Server.requests`` is the log."""

    def _answer(self, with_body: bool) -> None:
        served = self.server.server
        request = Request(self.command, self.path, self.headers.get("Range"), self.headers.get("If-Range"))
        served.requests.append(request)
        fault = (served.faults(request) if served.faults else None) or Fault()
        if fault.redirect is not None:
            self._head(request, HTTPStatus.FOUND, 0, {"Location": fault.redirect})
            return
        if fault.status is not None:
            self._head(request, fault.status, 0, {})
            return
        path = (served.directory / unquote(urlsplit(self.path).path).lstrip("/")).resolve()
        if not path.is_relative_to(served.directory) or not path.is_file():
            self._head(request, HTTPStatus.NOT_FOUND, 0, {})
            return
        data = path.read_bytes()
        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        status = HTTPStatus.OK
        wanted = request.range if request.if_range in (None, etag) and not fault.ignore_range else None
        if (window := _window(wanted, len(data))) is not None:
            start, end = window
            if start >= end:
                self._head(request, HTTPStatus(416), 0, {"Content-Range": f"bytes */{len(data)}"})
                return
            status = HTTPStatus.PARTIAL_CONTENT
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
            data = data[start:end]
        length = len(data) if fault.content_length is None else fault.content_length
        self._head(request, status, length, headers)
        if with_body:
            try:
                self._body(request, data, fault)
            except _Dropped:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                self.close_connection = True
        if length != len(data):
            self.close_connection = True  # nobody knows where the next answer would start

    def _head(self, request: Request, status: HTTPStatus, length: int, headers: dict[str, str]) -> None:
        request.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _body(self, request: Request, data: bytes, fault: Fault) -> None:
        size, pause = fault.drip or (_BLOCK, 0.0)
        end = len(data) if fault.drop_after is None else min(fault.drop_after, len(data))
        for at in range(0, end, size):
            block = data[at : min(at + size, end)]
            request.sent += len(block)  # before: the client may look at it as soon as it has the bytes
            self.wfile.write(block)
            if pause:
                time.sleep(pause)
        if fault.drop_after is not None:
            raise _Dropped


def _window(header: str | None, size: int) -> tuple[int, int] | None:
    """Return what a Range header asks of ``size`` bytes as (start, end), empty if that is outside; None to ignore it.

    One range only; a server may ignore what it does not understand (RFC 9110, 14.2).
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        return max(0, size - int(match[2])), size
    start, end = int(match[1]), int(match[2]) + 1 if match[2] else size
    return None if end <= start and match[2] else (start, min(end, size))
