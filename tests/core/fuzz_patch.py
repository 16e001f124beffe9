"""Feed chunks to the patch decoder, many in one process: ``fuzz_patch.py PACKAGE TIER RATE CHUNKS``.

CHUNKS is a file: for each chunk three little-endian u16s, then so many bytes of chunk, base and artifact; where one of these is
empty, it is the last one again. Either the artifact comes out of a chunk or PatchError, and the decoder asks for nothing outside
of the base, of what it wrote and of the chunk. Prints how many were tried and how many of them gave the artifact. What else
happens ends the process with the number of the chunk.
"""

import sys
from hashlib import sha256
from struct import pack, unpack

CHUNK_BITS = 15
MOST_STEPS = 10000


class Flash:
    """Bytes that are read within their ends, and written in order up to ``most``."""

    def __init__(self, data, most=0):
        self.data = data
        self.size = len(data)
        self.end = 0
        self.most = most

    def readinto(self, at, buf):
        assert 0 <= at <= at + len(buf) <= self.size
        buf[:] = self.data[at : at + len(buf)]

    def write(self, buf):
        assert self.end + len(buf) <= self.most
        self.data[self.end : self.end + len(buf)] = buf
        self.end += len(buf)


class Body:
    """A chunk as it is downloaded."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def readinto(self, buf):
        assert 0 < len(buf) <= len(self.data) - self.at
        buf[:] = self.data[self.at : self.at + len(buf)]
        self.at += len(buf)


def decode(tier, rate, chunk, base, new):
    """What the decoder makes of a chunk that is said to give ``new``; None where it refuses it."""
    from mulligan.core import patch, segments
    from mulligan.core.errors import PatchError

    table = pack("<I", len(chunk)) + sha256(new).digest()[:4]
    digests = sha256(base).digest(), sha256(new).digest()
    header = patch.Header(tier, CHUNK_BITS, rate, len(base), len(new), digests[0], digests[1], table)
    target = Flash(bytearray(len(new) + 512), len(new))
    decoder = segments.Decoder(header, Flash(base), target)
    steps = 0
    try:
        for _ in decoder.chunk(0, Body(chunk), target.write):
            steps += 1
            assert steps < MOST_STEPS
    except PatchError:
        return None
    return bytes(target.data[: len(new)])


def main(tier, rate, chunks):
    """Raises: whatever is not PatchError."""
    tried = good = 0
    base = new = b""
    with open(chunks, "rb") as file:
        while True:
            head = file.read(6)
            if not head:
                break
            chunk, of, to = [file.read(size) for size in unpack("<3H", head)]
            base = of or base
            new = to or new
            try:
                made = decode(int(tier), int(rate), chunk, base, new)
                assert made in (None, new), "something else"
            except BaseException:
                print("chunk", tried)
                raise
            tried += 1
            good += made is not None
    print(tried, good)


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    main(*sys.argv[2:])
