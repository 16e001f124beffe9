"""A host at the other end of the serial cable, in the place of a server: what `mulligan.take()` asks when a release is pushed.

    device: 1E "get START URL" LF             host: "SIZE" LF, the bytes from START on; or "-" LF, there is no such file
    device: 1E "more START COUNT URL" LF      host: base64 of COUNT bytes from START on and their CRC-32 (u32 LE), LF

The device asks for each piece, and again where none comes or a damaged one does. A piece and its CRC fit the 260 bytes that the
ESP32 port holds of what it has not read yet.
"""

import select
import sys
import time
from binascii import a2b_base64, crc32

from ..core.errors import NotFound, TransportError
from .link import Body

PIECE = 180
_TRIES = 5
_WAIT_MS = 3000
_MAX_LINE = 256


class Client:
    """As http.Client, with the URL for the host to read."""

    def get(self, url, start=0, limit=1 << 26, tag=""):
        """The Body of ``url`` from byte ``start`` on; of at most ``limit`` bytes in all. Raises: NotFound, TransportError."""
        answer = _ask("get {} {}".format(start, url))
        if answer == b"-":
            raise NotFound("cable: no " + url)
        try:
            size = int(answer)
        except ValueError:
            raise TransportError("cable: garbled answer")
        if not 0 <= size <= limit - start:
            raise TransportError("cable: {} bytes, at most {} expected".format(start + size, limit))
        return Body(_Pieces(url, start), size, 0, "")


class _Pieces:
    """What Body reads from."""

    def __init__(self, url, at):
        self._url = url
        self._at = at

    def readinto(self, buf):
        view = memoryview(buf)
        done = 0
        while done < len(view):
            count = min(PIECE, len(view) - done)
            view[done : done + count] = self._piece(count)
            done += count
            self._at += count

    def close(self):
        pass

    def _piece(self, count):
        for _ in range(_TRIES):
            answer = _ask("more {} {} {}".format(self._at, count, self._url))
            try:
                piece = a2b_base64(answer)
            except ValueError:
                continue
            if len(piece) == count + 4 and crc32(piece[:count]) == int.from_bytes(piece[count:], "little"):
                return piece[:count]
        raise TransportError("cable: damaged {} times in a row".format(_TRIES))


def _ask(request):
    """The line that answers. Raises: TransportError where none comes."""
    poll = select.poll()
    poll.register(sys.stdin, select.POLLIN)
    one = bytearray(1)
    for _ in range(_TRIES):
        while poll.poll(0):
            sys.stdin.buffer.readinto(one)  # the rest of an answer that came too late
        sys.stdout.write("\x1e{}\n".format(request))
        line = b""
        since = time.ticks_ms()
        while len(line) < _MAX_LINE and poll.poll(_WAIT_MS - min(_WAIT_MS, time.ticks_diff(time.ticks_ms(), since))):
            if not sys.stdin.buffer.readinto(one):
                break
            if one == b"\n":
                return line
            line += one
    raise TransportError("cable: the host does not answer")
