"""A static file server on the loopback interface, for the demo and for tests: HTTP/1.1, over TLS with a certificate of its own.

It serves a directory as any web server would (RFC 9110: Range, ETag, If-Range, keep-alive) and, on demand, as a bad one does:
see Fault. The certificate authority lives as long as the server; its key never leaves this process but for a private
temporary file that is removed before the first request.
"""

import contextlib
import hashlib
import ipaddress
import re
import socket
import socketserver
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

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

    def __init__(self, directory: Path, url: str, ca_der: bytes) -> None:
        self.directory = directory.resolve()
        self.url = url
        """Without a slash at the end."""
        self.ca_der = ca_der
        """The certificate to trust, as DER; empty without TLS."""
        self.requests: list[Request] = []
        self.faults: Callable[[Request], Fault | None] | None = None


@contextlib.contextmanager
def serve(directory: Path, tls: bool = True) -> Iterator[Server]:
    """Serve the files under ``directory`` at ``.url`` until the context ends, which also ends every connection."""
    # The address that a client gets for this name first: ::1 on some machines, 127.0.0.1 on others.
    family, _, _, _, address = socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)[0]
    context, ca_der = _throwaway_identity() if tls else (None, b"")
    listener = _Listener(family, address, context)
    scheme = "https" if tls else "http"
    server = listener.server = Server(directory, f"{scheme}://localhost:{listener.server_address[1]}", ca_der)
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

    def __init__(self, family: int, address: object, context: ssl.SSLContext | None) -> None:
        self.address_family = family
        self._context = context
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)  # type: ignore[arg-type]

    def finish_request(self, request: object, client_address: object) -> None:
        """Runs in the connection's thread: a client that is slow to shake hands holds up nobody else."""
        assert isinstance(request, socket.socket)
        with contextlib.ExitStack() as stack:
            connection = request
            if self._context is not None:
                connection = self._context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
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


def _throwaway_identity() -> tuple[ssl.SSLContext, bytes]:
    """Make a certificate authority and a server certificate for localhost; return the server's context and the CA as DER."""
    now = datetime.now(UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Mulligan throwaway CA")])

    def builder(name: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(ca_name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))  # clocks differ
            .not_valid_after(now + timedelta(days=7))
        )

    usage = {
        "digital_signature": False,
        "content_commitment": False,
        "key_encipherment": False,
        "data_encipherment": False,
        "key_agreement": False,
        "key_cert_sign": False,
        "crl_sign": False,
        "encipher_only": False,
        "decipher_only": False,
    }
    ca = (
        builder(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**{**usage, "key_cert_sign": True}), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    loopback = [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    certificate = (
        builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**{**usage, "digital_signature": True}), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), *loopback]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile(suffix=".pem") as pem:  # load_cert_chain reads files only; this one is ours alone
        pem.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        pem.write(certificate.public_bytes(serialization.Encoding.PEM))
        pem.flush()
        context.load_cert_chain(pem.name)
    return context, ca.public_bytes(serialization.Encoding.DER)
