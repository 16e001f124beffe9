import struct
from array import array
from binascii import crc32
from hashlib import sha256

from common import raises
from mulligan.core import blend, chunks, patch, rescale, segments
from mulligan.core import kinds as s
from mulligan.core.errors import MulliganError, PatchError

HEAP = "256k"
BASE = bytes([(i * 7 + i // 256) & 0xFF for i in range(6000)])


class Source:
    def __init__(self, data):
        self.data = data
        self.size = len(data)

    def readinto(self, at, buf):
        assert 0 <= at <= at + len(buf) <= len(self.data), "the decoder read outside of its base"
        buf[:] = self.data[at : at + len(buf)]


class Target(Source):
    """Flash that is written in order: what was not written yet reads as FF."""

    def __init__(self, size):
        Source.__init__(self, bytearray(b"\xff" * size))
        self.at = 0

    def write(self, buf):
        assert self.at % s.BLOCK == 0
        self.data[self.at : self.at + len(buf)] = buf
        self.at += len(buf)


class Body:
    """A download; ``most``: bytes that one read of the link gives, as one after the other fills the buffer."""

    def __init__(self, data, at):
        self.data = data
        self.at = at

    def readinto(self, buf):
        assert 0 < len(buf) <= 768
        if self.at + len(buf) > len(self.data):
            raise PatchError("patch: truncated")
        buf[:] = self.data[self.at : self.at + len(buf)]
        self.at += len(buf)


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def zigzag(n):
    return varint(n << 1 if n >= 0 else (-n << 1) - 1)


def stored(data):
    """A raw deflate stream of stored blocks (RFC 1951 section 3.2.4): made here without any compressor."""
    out = b""
    for at in range(0, len(data), 1000):
        piece = data[at : at + 1000]
        out += struct.pack("<BHH", 1 if at + 1000 >= len(data) else 0, len(piece), len(piece) ^ 0xFFFF) + piece
    return out or b"\x01\0\0\xff\xff"


def segment(kind, length, *rest):
    return bytes([kind]) + varint(length - 1) + b"".join(rest)


def planes(*words):
    """Differences of words in zigzag form, all bytes 0 first."""
    out = [struct.pack("<I", w << 1 if w >= 0 else (-w << 1) - 1) for w in words]
    return b"".join([bytes([word[k] for word in out]) for k in range(4)])


def build(bodies, parts, base=BASE, bits=12, tier=1, rate=0):
    new = b"".join(parts)
    table = b"".join([struct.pack("<I", len(b)) + chunks.check(sha256(chunk)) for b, chunk in zip(bodies, parts)])
    return head(tier, bits, rate, len(base), len(new), sha256(base).digest(), sha256(new).digest(), table) + b"".join(bodies)


def head(tier, bits, rate, base_size, new_size, base_sha256, new_sha256, table):
    """A header and its chunk table, by docs/SPEC.md."""
    fields = struct.pack("<4sBBBBII", b"MPAT", 4, tier, bits, rate, base_size, new_size) + base_sha256 + new_sha256
    return fields + struct.pack("<I", crc32(table, crc32(fields))) + table


def read(data, new_size):
    if len(data) < chunks.HEADER_SIZE:
        raise PatchError("patch: truncated")
    head = data[: chunks.HEADER_SIZE]
    size = patch.table_size(head, new_size)
    return patch.decode_header(head, data[chunks.HEADER_SIZE : chunks.HEADER_SIZE + size])


def apply(data, new_size, base=BASE):
    header = read(data, new_size)
    target = Target(new_size + 700)
    decoder = segments.Decoder(header, Source(base), target)
    body = Body(data, chunks.start_of(header, 0))
    for index in range(chunks.count_of(header)):
        for _ in decoder.chunk(index, body, target.write):
            pass
    assert target.at == new_size
    return bytes(target.data[:new_size])


def one(stream, new, base=BASE):
    """Apply a patch of one chunk."""
    return apply(build([stored(stream)], [new], base), len(new), base)


def expected_chunks():
    """Two chunks of 4 KiB and a bit: the kinds of bytes, with steps forward and back."""
    first = BASE[100:1100] + b"literal" * 10 + bytes([(b + 3) & 0xFF for b in BASE[50:2050]])
    first += BASE[: 4096 - len(first)]
    return first, BASE[5000:6000]


def make():
    rest = 4096 - 1000 - 70 - 2000
    streams = [
        segment(s.COPY, 1000, zigzag(100)) + segment(s.LITERAL, 70, b"literal" * 10)
        + segment(s.ADD8, 2000, zigzag(50 - 1100), b"\x03" * 2000) + segment(s.COPY, rest, zigzag(-2050)),
        segment(s.COPY, 1000, zigzag(5000 - 4096)),
    ]  # fmt: skip
    return build([stored(stream) for stream in streams], expected_chunks())


NEW = b"".join(expected_chunks())


def test_kinds_of_bytes():
    assert apply(make(), len(NEW)) == NEW
    up = bytes([(b + 1) & 0xFF for b in BASE[:600]])
    for kind in (s.ADD8, s.DRIFT8, s.PRUNE8):
        assert one(segment(kind, 600, zigzag(0), b"\x01" * 600), up) == up
    for kind in (s.DIRECT8, s.WIDE8):
        assert one(segment(kind, 600, up), up) == up


def test_a_chunk_alone():
    data = make()
    header = read(data, len(NEW))
    target = Target(5200)
    target.at = 4096
    for _ in segments.Decoder(header, Source(BASE), target).chunk(1, Body(data, chunks.start_of(header, 1)), target.write):
        pass
    assert target.data[4096:5096] == NEW[4096:]


def test_repeats_near_and_far():
    first = bytes([i * 11 & 0xFF for i in range(1000)])
    new = first + first[-3:] * 400 + first[:700] + b"\0" * 500
    stream = (
        segment(s.LITERAL, 1000, first) + segment(s.REPEAT, 1200, varint(2)) + segment(s.REPEAT, 700, varint(2199))
        + segment(s.LITERAL, 1, b"\0") + segment(s.REPEAT, 499, varint(0))
    )  # fmt: skip
    assert one(stream, new) == new


def test_rescaled_weights():
    factors = array("I", [1 << 15, 3 << 15, 1 << 16])
    old = bytearray(BASE[10:710])
    blend.scale8(old, 0, 700, factors, 100, 3, 30)
    new = bytes([(b + 1) & 0xFF for b in old])
    layout = varint(99) + varint(30) + varint(2) + b"".join([zigzag(f - s.UNIT8) for f in factors])
    assert one(segment(s.SCALE8, 700, zigzag(10), layout, b"\x01" * 700), new) == new


def test_words():
    """At a place of base and artifact that is no multiple of four, in more than one block."""
    count = 200
    old = struct.unpack("<200i", BASE[3:803])
    change = [(i * i - 5000) * 9 for i in range(count)]
    head = segment(s.LITERAL, 1, b"x")

    def wrapped(values):
        return b"x" + b"".join([struct.pack("<I", v & 0xFFFFFFFF) for v in values])

    blocks = b"".join([planes(*change[at : at + 64]) for at in range(0, count, 64)])
    new = wrapped([o + c for o, c in zip(old, change)])
    for kind in (s.ADD32, s.FLOAT32):
        assert one(head + segment(kind, count, zigzag(3), blocks), new) == new
    factors = [s.UNIT32 // 2, s.UNIT32 // 4]
    new = wrapped([(o * factors[i & 1] + (1 << 27) >> 28) + change[i] for i, o in enumerate(old)])
    more = varint(1) + zigzag(factors[0] - s.UNIT32) + zigzag(factors[1] - factors[0])
    assert one(head + segment(s.MULADD32, count, zigzag(3), more, blocks), new) == new


def test_products_of_floats():
    count = 200
    scales = [(i * 7919 + 1) & 0x7FFFFF | (110 + i % 9) << 23 for i in range(count)]
    factor = 0x3B9A1234
    products = [rescale.product(a, factor) for a in scales]
    change = [i % 3 - 1 for i in range(count)]
    base = struct.pack("<200I", *scales)
    tail = struct.pack("<200I", *[p + c for p, c in zip(products, change)])
    blocks = b"".join([planes(*change[at : at + 64]) for at in range(0, count, 64)])
    halves = varint(0) + varint(factor >> 16) + varint(factor & 0xFFFF)
    of_base = segment(s.FLOATMUL, count, varint(0), zigzag(0), halves, blocks)
    assert one(of_base, tail, base) == tail
    # The operand out of the artifact: partly in flash, partly in what was not written yet; the factor from there too.
    for gap in (0, 5, 300, 700):
        new = struct.pack("<I", factor) + base + BASE[:gap] + tail
        stream = (
            segment(s.LITERAL, 804, new[:804]) + (segment(s.COPY, gap, zigzag(0)) if gap else b"")
            + segment(s.FLOATMUL, count, varint(800 + gap), varint(804 + gap), blocks)
        )  # fmt: skip
        assert one(stream, new, BASE) == new


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
    for at, value in ((4, 1), (4, 2), (4, 3), (4, 5), (5, 0), (5, 2), (5, 3), (6, 11), (6, 21), (7, 5)):
        bad = bytearray(data)
        bad[at] = value
        raises(PatchError, apply, bytes(bad), len(NEW))
    head = bytearray(data[: chunks.HEADER_SIZE])
    struct.pack_into("<I", head, 12, (patch.MAX_CHUNKS << 12) + 1)
    raises(PatchError, patch.table_size, bytes(head), (patch.MAX_CHUNKS << 12) + 1)


def test_segments_that_lie():
    some = BASE[:100]
    lies = [
        b"", segment(s.KINDS, 100), segment(s.LITERAL, 101, bytes(101)), segment(s.LITERAL, 100, bytes(99)),
        segment(s.COPY, 100, zigzag(-1)), segment(s.COPY, 100, zigzag(5901)), segment(s.COPY, 100, zigzag(1 << 28)),
        bytes([s.COPY]) + b"\xff" * 9, segment(s.ADD8, 100, zigzag(5950), bytes(100)), segment(s.REPEAT, 100, varint(0)),
        segment(s.LITERAL, 9, bytes(9)) + segment(s.REPEAT, 91, varint(9)), segment(s.ADD32, 26, zigzag(0), bytes(104)),
        segment(s.ADD32, 25, zigzag(5901), bytes(100)), segment(s.LITERAL, 1 << 31), segment(s.ADD32, 1 << 30),
        segment(s.FLOATMUL, 25, varint(4), varint(0), varint(16000), varint(0), bytes(100)),
        segment(s.FLOATMUL, 25, varint(0), zigzag(0), varint(0), varint(1 << 15), varint(0), bytes(100)),
        segment(s.FLOATMUL, 25, varint(0), zigzag(0), varint(3), bytes(100)),
        segment(s.SCALE8, 100, zigzag(0), varint(0), varint(0), varint(s.MAX_CHANNELS), zigzag(0) * 257, bytes(100)),
        segment(s.SCALE8, 100, zigzag(0), varint(0), varint(0), varint(0), zigzag(-s.UNIT8 - 1), bytes(100)),
        segment(s.SCALE8, 100, zigzag(0), varint(0), varint(0), varint(0), zigzag(s.MAX_FACTOR8), bytes(100)),
        segment(s.SCALE8, 100, zigzag(0), varint(s.MAX_SIZE), varint(0), varint(0), zigzag(0), bytes(100)),
        segment(s.MULADD32, 25, zigzag(0), varint(0), zigzag(-s.UNIT32 - 1), bytes(100)),
    ]  # fmt: skip
    for stream in lies:
        raises(PatchError, one, stream, some)
    # A patch that needs no base has nothing to copy from.
    raises(PatchError, one, segment(s.COPY, 100, zigzag(0)), some, b"")


def test_a_chunk_that_goes_on_after_its_end():
    some = BASE[:100]
    stream = segment(s.COPY, 100, zigzag(0))
    raises(PatchError, apply, build([stored(stream) + bytes(3000)], [some]), 100)
    for kind, rest in ((s.LITERAL, b""), (s.ADD8, zigzag(0)), (s.ADD32, zigzag(0))):
        short = stored(segment(kind, 25, rest, bytes(9)))
        raises(PatchError, apply, build([short + bytes(3000)], [some]), 100)
    raises(PatchError, apply, build([bytes(3000)], [some], BASE, 12, 2, 5), 100)


def test_chunk_tables_that_lie():
    for size, table in ((100, struct.pack("<II", patch.max_chunk(12) + 1, 0)), (5000, struct.pack("<II", 1, 0))):
        raises(PatchError, apply, head(1, 12, 0, 0, size, bytes(32), bytes(32), table), size)


def test_random_bytes_raise_nothing_but_ours():
    seed = 7
    for turn in range(300):
        data = bytearray(make())
        if turn & 1:  # the same bytes as a stream of tier 2, whatever they mean there
            data = bytearray(build([data[100 : 100 + turn], data[300:400]], expected_chunks(), BASE, 12, 2, 4))
        for _ in range(4):
            seed = (seed * 1103515245 + 12345) & 0x3FFFFFFF
            data[chunks.HEADER_SIZE + 16 + seed % (len(data) - chunks.HEADER_SIZE - 16)] = seed >> 12 & 0xFF
        try:
            assert apply(bytes(data), len(NEW)) == NEW
        except MulliganError:
            pass
