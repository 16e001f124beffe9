import struct
from hashlib import sha256
from io import BytesIO

from common import raises
from mulligan.core import patch
from mulligan.core.add8 import add8
from mulligan.core.errors import MulliganError, PatchError

BASE = bytes([(i * 7 + i // 256) & 0xFF for i in range(6000)])


class Source:
    def __init__(self, data):
        self.data = data
        self.size = len(data)

    def readinto(self, at, buf):
        assert 0 <= at <= at + len(buf) <= len(self.data), "the decoder read outside of its base"
        buf[:] = self.data[at : at + len(buf)]


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def stored(data):
    """A raw deflate stream of stored blocks (RFC 1951 section 3.2.4): made here without any compressor."""
    out = b""
    for at in range(0, len(data), 1000):
        piece = data[at : at + 1000]
        out += struct.pack("<BHH", 1 if at + 1000 >= len(data) else 0, len(piece), len(piece) ^ 0xFFFF) + piece
    return out or b"\x01\0\0\xff\xff"


def segment(kind, length, distance=None, data=b""):
    head = bytes([kind]) + varint(length)
    if distance is not None:
        head += varint(distance << 1 if distance >= 0 else (-distance << 1) - 1)
    return head + data


def expected_chunks():
    """Two chunks of 4 KiB and a bit: all three kinds, with steps forward and back."""
    one = BASE[100:1100] + b"literal" * 10 + bytes([(b + 3) & 0xFF for b in BASE[50:2050]])
    one += BASE[: 4096 - len(one)]
    two = BASE[5000:6000]
    return one, two


def make():
    one, two = expected_chunks()
    rest = 4096 - 1000 - 70 - 2000
    streams = [
        segment(patch.COPY, 1000, 100) + segment(patch.LITERAL, 70, None, b"literal" * 10)
        + segment(patch.ADD8, 2000, 50 - 1100, b"\x03" * 2000) + segment(patch.COPY, rest, -2050),
        segment(patch.COPY, 1000, 5000),
    ]  # fmt: skip
    return build([stored(s) for s in streams], [one, two])


def build(bodies, chunks, base=BASE, bits=12):
    new = b"".join(chunks)
    table = [(len(body), patch.check(sha256(chunk))) for body, chunk in zip(bodies, chunks)]
    header = patch.Header(bits, len(base), len(new), sha256(base).digest(), sha256(new).digest(), table)
    return patch.encode_header(header) + b"".join(bodies)


def read(data, new_size):
    head = data[: patch.HEADER_SIZE]
    size = patch.table_size(head, new_size)
    return patch.decode_header(head, data[patch.HEADER_SIZE : patch.HEADER_SIZE + size]), patch.HEADER_SIZE + size


def apply(data, new_size, base=BASE):
    if len(data) < patch.HEADER_SIZE:
        raise PatchError("patch: truncated")
    header, at = read(data, new_size)
    out = bytearray()
    decoder = patch.Decoder(header, Source(base))
    for index, (size, _) in enumerate(header.chunks):
        decoder.chunk(index, BytesIO(data[at : at + size]), out.extend)
        at += size
    return bytes(out)


NEW = b"".join(expected_chunks())


def test_all_segment_kinds():
    assert apply(make(), len(NEW)) == NEW


def test_a_chunk_alone():
    data = make()
    header, at = read(data, len(NEW))
    out = bytearray()
    patch.Decoder(header, Source(BASE)).chunk(1, BytesIO(data[at + header.chunks[0][0] :]), out.extend)
    assert out == NEW[4096:]


def test_every_changed_byte_is_found():
    data = make()
    for at in range(0, len(data), 3):
        bad = bytearray(data)
        bad[at] ^= 0x11
        try:
            result = apply(bytes(bad), len(NEW))
        except PatchError:
            continue
        assert result == NEW  # a bit that the deflate stream does not use


def test_every_truncation_is_found():
    data = make()
    for end in list(range(200)) + list(range(200, len(data), 97)):
        raises(PatchError, apply, data[:end], len(NEW))


def test_headers_that_are_refused():
    data = make()
    raises(PatchError, apply, data, len(NEW) + 1)
    for at, value in ((4, 2), (5, 2), (6, 11), (6, 16), (7, 1)):
        bad = bytearray(data)
        bad[at] = value
        raises(PatchError, apply, bytes(bad), len(NEW))


def test_segments_that_lie():
    one = NEW[:100]
    for stream in (
        segment(3, 100), segment(patch.LITERAL, 0), segment(patch.LITERAL, 101, None, bytes(101)),
        segment(patch.LITERAL, 100, None, bytes(99)), segment(patch.COPY, 100, -1), segment(patch.COPY, 100, 5901),
        segment(patch.COPY, 100, 1 << 28), bytes([patch.COPY]) + b"\xff" * 9, segment(patch.ADD8, 100, 5950, bytes(100)), b"",
    ):  # fmt: skip
        raises(PatchError, apply, build([stored(stream)], [one]), 100)
    # A patch that needs no base has nothing to copy from.
    raises(PatchError, apply, build([stored(segment(patch.COPY, 100, 0))], [one], b""), 100, b"")


def test_chunk_tables_that_lie():
    header = patch.Header(12, 0, 100, bytes(32), bytes(32), [(patch.max_chunk(12) + 1, bytes(4))])
    raises(PatchError, apply, patch.encode_header(header), 100)
    header = patch.Header(12, 0, 5000, bytes(32), bytes(32), [(1, bytes(4))])
    raises(PatchError, apply, patch.encode_header(header), 5000)


def test_random_bytes_raise_nothing_but_ours():
    seed = 7
    for _ in range(300):
        data = bytearray(make())
        for _ in range(4):
            seed = (seed * 1103515245 + 12345) & 0x3FFFFFFF
            data[patch.HEADER_SIZE + 16 + seed % (len(data) - patch.HEADER_SIZE - 16)] = seed >> 12 & 0xFF
        try:
            assert apply(bytes(data), len(NEW)) == NEW
        except MulliganError:
            pass


def test_add8_wraps():
    target, base = bytearray(range(256)), bytes([200] * 256)
    add8(target, base, 256)
    assert target == bytes([(i + 200) & 0xFF for i in range(256)])
    add8(target, base, 0)
    assert target[0] == 200
