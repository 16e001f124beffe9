"""HTTP/1.1 GET over TLS or plain TCP, as the agent needs it: certificates verified, ranges, limits and timeouts.

One request per connection, and no redirects: a mirror is named in the configuration or not at all.
"""

import socket

from ..core.errors import TransportError

_MAX_LINE = 512
_MAX_HEADERS = 32


class Client:
    """``ca``: DER of the certificate authority to trust, for https; ``timeout_s``: how long a read or a connect may block."""

    def __init__(self, ca=None, timeout_s=10):
        self._ca = ca
        self._timeout_s = timeout_s

    def get(self, url, start=0, limit=1 << 26):
        """The Body of ``url`` from byte ``start`` on; of at most ``limit`` bytes.

        Raises: TransportError for anything but 200, or 206 with exactly the range asked for.
        """
        tls, host, port, path = _split(url)
        try:
            stream = self._connect(tls, host, port)
        except (OSError, ValueError) as e:
            raise TransportError("{}:{}: no connection: {}".format(host, port, e))
        try:
            request = "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAccept-Encoding: identity\r\n".format(path, host)
            if start:
                request += "Range: bytes={}-\r\n".format(start)
            stream.write((request + "\r\n").encode())
            return Body(stream, _response(stream, start, limit))
        except OSError as e:
            stream.close()
            raise TransportError("{}:{}: link lost: {}".format(host, port, e))
        except TransportError:
            stream.close()
            raise

    def _connect(self, tls, host, port):
        address = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
        sock = socket.socket(address[0], socket.SOCK_STREAM)
        try:
            sock.settimeout(self._timeout_s)
            sock.connect(address[-1])
            if not tls:
                return sock
            from tls import CERT_REQUIRED, PROTOCOL_TLS_CLIENT, SSLContext

            context = SSLContext(PROTOCOL_TLS_CLIENT)
            context.verify_mode = CERT_REQUIRED  # type: ignore[attr-defined]
            if self._ca is None:
                raise ValueError("https needs the certificate authority to trust: set ca")
            context.load_verify_locations(self._ca)
            return context.wrap_socket(sock, server_hostname=host)
        except (OSError, ValueError):
            sock.close()
            raise


class Body:
    """``size`` bytes to come. Close it when done."""

    def __init__(self, stream, size):
        self._stream = stream
        self._left = size
        self.size = size

    def readinto(self, buf):
        """Fill all of ``buf``. Raises: TransportError where the link ends before, or the body is shorter."""
        if len(buf) > self._left:
            raise TransportError("HTTP: the body is shorter than expected")
        view = memoryview(buf)
        at = 0
        while at < len(view):
            try:
                count = self._stream.readinto(view[at:])
            except OSError as e:
                raise TransportError("HTTP: link lost: {}".format(e))
            if not count:
                raise TransportError("HTTP: link lost")
            at += count
        self._left -= at

    def read(self):
        """The rest of the body, which the caller has limited."""
        data = bytearray(self._left)
        self.readinto(data)
        return data

    def close(self):
        self._stream.close()


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


def _line(stream):
    line = stream.readline(_MAX_LINE)
    if not line or line[-1:] != b"\n":
        raise TransportError("HTTP: header line too long, or link lost")
    return line.rstrip()


def _response(stream, start, limit):
    """Read the head of a response; the length of the body that follows."""
    status = _line(stream).split(b" ", 2)
    if len(status) < 2 or not status[0].startswith(b"HTTP/1."):
        raise TransportError("HTTP: not an HTTP server")
    headers = {}
    for _ in range(_MAX_HEADERS):
        line = _line(stream)
        if not line:
            break
        key, _, value = line.partition(b":")
        headers[key.lower()] = value.strip()
    else:
        raise TransportError("HTTP: too many header lines")
    # A 200 to a range request is the whole file from its first byte: never take it for the rest.
    if status[1] != (b"206" if start else b"200"):
        raise TransportError("HTTP: status {}{}".format(status[1].decode(), ", wanted a range" if start else ""))
    if start and not headers.get(b"content-range", b"").startswith("bytes {}-".format(start).encode()):
        raise TransportError("HTTP: another range than asked for")
    if b"transfer-encoding" in headers or b"content-encoding" in headers:
        raise TransportError("HTTP: encoded body")
    length = headers.get(b"content-length", b"")
    if not 0 < len(length) <= 10 or any(not 0x30 <= c <= 0x39 for c in length):
        raise TransportError("HTTP: no content length")
    if int(length) > limit:
        raise TransportError("HTTP: {} bytes, at most {} expected".format(int(length), limit))
    return int(length)
