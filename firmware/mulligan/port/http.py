"""HTTP/1.1 GET over TLS or plain TCP, as the agent needs it: certificates verified, ranges, limits and timeouts.

One request per connection, and no redirects: a mirror is named in the configuration or not at all.
"""

import socket

from ..borrow import Borrowed
from ..core.errors import NotFound, TransportError
from .link import Body, Link

_MAX_HEADERS = 32


class Client:
    """``credentials()``: (ca, cert, key) as secure.context() takes them, asked for at each https request; ``now()``: seconds
    since 1970, or None where the clock was never set; ``timeout_s``: how long to wait for an address, a connection, a head or
    one read of a body, each as a whole: a server that drips gains nothing."""

    def __init__(self, credentials, now, timeout_s=10):
        self._credentials = credentials
        self._now = now
        self._timeout_s = timeout_s

    def get(self, url, start=0, limit=1 << 26, tag=""):
        """The Body of ``url`` from byte ``start`` on; of at most ``limit`` bytes in all.

        tag: Body.tag of the file of which the range is to be, as it was seen before, or "". Whoever answers 200 instead, as the
        file has changed or as it knows no ranges, sends it from its first byte: what comes before ``start`` is then passed over.
        Raises: TransportError for anything but 200, or 206 with exactly the range asked for; Untrusted where TLS does not
        come about; what ``credentials()`` raises.
        """
        asked = ""
        if start:
            asked = "Range: bytes={}-\r\n".format(start)
            if tag:
                asked += "If-Range: {}\r\n".format(tag)
        return self._ask("GET", url, asked, b"", lambda link: Body(link, *_response(link, start, limit, tag)))

    def post(self, url, body):
        """Have ``url`` take ``body`` (bytes of JSON). Raises: as get(); TransportError for anything but a 2xx."""
        said = "Content-Type: application/json\r\nContent-Length: {}\r\n".format(len(body))
        self._ask("POST", url, said, body, _taken).close()

    def _ask(self, method, url, headers, body, answered):
        """What ``answered(link)`` makes of the answer; it has the link to close."""
        tls, host, port, path = _split(url)
        head = "{} {} HTTP/1.1\r\nHost: {}:{}\r\nConnection: close\r\nAccept-Encoding: identity\r\n".format(
            method, path, host, port
        )
        try:
            link = self._connect(tls, host, port)
        except (OSError, ValueError) as e:
            raise TransportError("{}:{}: no connection: {}".format(host, port, e))
        try:
            link.write((head + headers + "\r\n").encode() + body)
            return answered(link)
        except TransportError:
            link.close()
            raise

    def _connect(self, tls, host, port):
        address = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
        sock = socket.socket(address[0], socket.SOCK_STREAM)
        try:
            sock.settimeout(self._timeout_s)
            sock.connect(address[-1])
            sock.setblocking(False)
            stream = self._secured(sock, host) if tls else sock
            return Link(stream, int(self._timeout_s * 1000), host if tls else None, self._now)
        except Exception:
            sock.close()
            raise

    def _secured(self, sock, host):
        with Borrowed("port.secure") as secure:  # also collects what the last link held outside of Python's heap
            context = secure.context(*self._credentials())
        # The handshake is done by the first write, which has a deadline.
        return context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)


def _split(url):
    """(tls, host, port, path) of an http or https URL."""
    scheme, _, rest = url.partition("://")
    if scheme not in ("http", "https") or not rest:
        raise TransportError("not an http or https URL: " + url)
    host, slash, path = rest.partition("/")
    host, colon, port = host.partition(":")
    if colon and not all(c in "0123456789" for c in port):
        raise TransportError("bad port in URL: " + url)
    return scheme == "https", host, int(port) if port else (443 if scheme == "https" else 80), slash + path or "/"


def _status(link, deadline):
    """The status of a response, in digits."""
    status = link.line(deadline).split(b" ", 2)
    if len(status) < 2 or not status[0].startswith(b"HTTP/1.") or not _is_number(status[1]):
        raise TransportError("HTTP: not an HTTP server")
    return status[1]


def _taken(link):
    status = _status(link, link.deadline())
    if status[0] != 0x32:
        raise TransportError("HTTP: status {}".format(status.decode()))
    return link


def _response(link, start, limit, tag):
    """Read the head of a response: what a Body is made of. (bytes from ``start`` on, bytes that come before them, strong ETag)"""
    deadline = link.deadline()
    status = _status(link, deadline)
    headers = {}
    for _ in range(_MAX_HEADERS):
        line = link.line(deadline)
        if not line:
            break
        key, _, value = line.partition(b":")
        headers[key.lower()] = value.strip()
    else:
        raise TransportError("HTTP: too many header lines")
    partial = bool(start) and status == b"206"
    if status == b"404":
        raise NotFound("HTTP: status 404")
    if not partial and status != b"200":
        why = {b"416": ": the file has become shorter", b"206": " without a range"}.get(status, "")
        if status[0] == 0x33:
            why = ": a redirect, and those are not followed"
        raise TransportError("HTTP: status {}{}".format(status.decode(), why))
    if b"transfer-encoding" in headers or b"content-encoding" in headers:
        raise TransportError("HTTP: encoded body")
    length = headers.get(b"content-length", b"")
    if not _is_number(length):
        raise TransportError("HTTP: no content length")
    length = int(length)
    found = headers.get(b"etag", b"")
    found = found.decode() if found[:1] == b'"' and all(0x20 < c < 0x7F for c in found) else ""
    total = start + length if partial else length
    if partial:
        if headers.get(b"content-range") != "bytes {}-{}/{}".format(start, total - 1, total).encode():
            raise TransportError("HTTP: another range than asked for")
        if tag and found and found != tag:
            raise TransportError("HTTP: a range of another file than before")
    if total > limit:
        raise TransportError("HTTP: {} bytes, at most {} expected".format(total, limit))
    if total < start:
        raise TransportError("HTTP: the file has become shorter")
    return total - start, 0 if partial else start, found


def _is_number(text):
    return 0 < len(text) <= 10 and all(0x30 <= c <= 0x39 for c in text)
