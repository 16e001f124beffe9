"""A connection, and the body of an HTTP answer that comes over it: what is left of a request once its answer has begun."""

import select
import time

from ..borrow import Borrowed
from ..core.errors import TransportError

_MAX_LINE = 512


class Link:
    """A connection that never blocks, waited for by a deadline: a blocking read of so many bytes has none on MicroPython.

    Its methods raise TransportError where the link ends, or has not done all that was asked within ``timeout_ms``, and Untrusted
    where TLS with ``tls_host`` does not come about.
    """

    def __init__(self, stream, timeout_ms, tls_host, now):
        self._stream = stream
        self._timeout_ms = timeout_ms
        self._tls_host = tls_host
        self._now = now
        self._poll = select.poll()
        self._one = bytearray(1)

    def write(self, data):
        self._all(self._stream.write, memoryview(data), select.POLLOUT, self.deadline())

    def readinto(self, buf, deadline=None):
        """Fill all of ``buf``."""
        self._all(self._stream.readinto, memoryview(buf), select.POLLIN, self.deadline() if deadline is None else deadline)

    def line(self, deadline):
        """The next line, without its end."""
        line = b""
        while line[-1:] != b"\n":
            if len(line) == _MAX_LINE:
                raise TransportError("HTTP: header line too long")
            self.readinto(self._one, deadline)
            line += self._one
        return line.rstrip()

    def deadline(self):
        """The ticks_ms by which what begins now has to end."""
        return time.ticks_add(time.ticks_ms(), self._timeout_ms)

    def close(self):
        self._stream.close()

    def _all(self, transfer, view, event, deadline):
        at = 0
        try:
            while True:
                count = transfer(view[at:])
                if count == 0:
                    raise TransportError("HTTP: link lost: closed by the server")
                at += count or 0
                if at == len(view):
                    return
                left_ms = time.ticks_diff(deadline, time.ticks_ms())
                if left_ms <= 0:
                    raise TransportError("HTTP: too slow: {} of {} bytes in time".format(at, len(view)))
                if count is None:
                    self._poll.register(self._stream, event)
                    self._poll.poll(left_ms)
                    self._poll.unregister(self._stream)
        except (OSError, ValueError) as e:
            raise self._described(e)

    def _described(self, error):
        # Of TLS are a ValueError, a certificate that is not to be trusted, and mbedTLS's numbers, which are negative.
        if self._tls_host and (isinstance(error, ValueError) or (error.errno or 0) < 0):
            with Borrowed("port.secure") as secure:
                return secure.explained(error, self._tls_host, self._now())
        return TransportError("HTTP: link lost: {}".format(error))


class Body:
    """``size`` bytes to come, after ``ahead`` others that were not asked for; ``tag``: the file's strong ETag, or "". Close it
    when done."""

    def __init__(self, link, size, ahead, tag):
        self._link = link
        self._left = size
        self._ahead = ahead
        self.size = size
        self.tag = tag

    def skip(self, buf):
        """Pass over what comes ahead, as much as ``buf`` holds. Returns whether there is more of it. Raises: as readinto()."""
        if self._ahead:
            piece = memoryview(buf)[: self._ahead]
            self._link.readinto(piece)
            self._ahead -= len(piece)
        return self._ahead > 0

    def readinto(self, buf):
        """Fill all of ``buf``. Raises: TransportError where the link ends before, drips, or the body is shorter."""
        while self._ahead:
            self.skip(buf)
        if len(buf) > self._left:
            raise TransportError("HTTP: the body is shorter than expected")
        self._link.readinto(buf)
        self._left -= len(buf)

    def read(self):
        """The rest of the body, which the caller has limited."""
        data = bytearray(self._left)
        self.readinto(data)
        return data

    def close(self):
        self._link.close()
