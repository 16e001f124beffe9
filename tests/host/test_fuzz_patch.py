"""Hostile patches whose header is in order: what their chunks say reaches the decoder. Both tiers.

``make fuzz`` decodes a million of them, ``make test`` some. Whatever a chunk says, the decoder asks for nothing outside of the
base, of what it wrote and of the chunk, gives no more than the chunk of the artifact has, and ends; either with exactly the
artifact or with PatchError.
"""

import os
import random
import zlib
from collections.abc import Callable
from hashlib import sha256
from struct import pack

import pytest

from mulligan.core import kinds, patch, segments
from mulligan.core.errors import PatchError
from mulligan_host.delta import coders
from mulligan_host.delta.segment import Segment

_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))  # 20,000 in make fuzz
_TIMES = {patch.TIER_DEFLATE: 12, patch.TIER_RANGE: 1}  # so many times that, of each way: tier 2 in plain Python is slow
_SIZE = 1500
_BASE = random.Random(1).randbytes(900)
_SEGMENTS = [
    Segment(kinds.LITERAL, 0, 40),
    Segment(kinds.COPY, 40, 300, 7),
    Segment(kinds.REPEAT, 340, 90, back=11),
    Segment(kinds.ADD8, 430, 100, 300),
    Segment(kinds.SCALE8, 530, 200, 50, run=50, factors=(70000, 65536, 60000, 80000)),
    Segment(kinds.PRUNE8, 730, 90, 400),
    Segment(kinds.DIRECT8, 820, 80),
    Segment(kinds.DRIFT8, 900, 100, 500),
    Segment(kinds.ADD32, 1000, 80, 3),
    Segment(kinds.FLOAT32, 1080, 80, 100),
    Segment(kinds.MULADD32, 1160, 80, 200, factors=(1 << 27, 1 << 28)),
    Segment(kinds.FLOATMUL, 1240, 80, 300, factor=0x3B9A1234),
    Segment(kinds.FLOATMUL, 1320, 80, back=160, factor_at=1000, factor=0x3F000000),
    Segment(kinds.LITERAL, 1400, 100),
]
_NUMBERS = (0, 1, 2, 3, 11, 12, 0x7F, 0x80, 0xFF, 899, 900, 901, 1499, 1500, 0xFFFF, (1 << 28) - 1, 1 << 28, (1 << 32) - 1)


class _Flash:
    """Bytes that may be read within ``end`` only."""

    def __init__(self, data: bytes, end: int) -> None:
        self.data = bytearray(data)
        self.size = len(data)
        self.end = end

    def readinto(self, at: int, buf: memoryview | bytearray) -> None:
        assert 0 <= at <= at + len(buf) <= self.size
        buf[:] = self.data[at : at + len(buf)]

    def write(self, buf: memoryview | bytearray) -> None:
        assert self.end + len(buf) <= _SIZE
        self.data[self.end : self.end + len(buf)] = buf
        self.end += len(buf)


class _Body:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def readinto(self, buf: memoryview) -> None:
        assert 0 < len(buf) <= len(self.data) - self.at
        buf[:] = self.data[self.at : self.at + len(buf)]
        self.at += len(buf)


def _program() -> bytes:
    """The segments of tier 1, before they are deflated."""
    writer = coders.Deflated()
    coders.write(writer, _SEGMENTS, _BASE, _new())
    return bytes(writer.data)


def _range() -> bytes:
    encoder = coders.Encoder(5)
    coders.write(encoder, _SEGMENTS, _BASE, _new())
    return encoder.finish()


def _new() -> bytes:
    """An artifact that the segments yield: what they copy, repeat, and look for stands where they say."""
    new = bytearray(random.Random(2).randbytes(_SIZE))
    new[40:340] = _BASE[7:307]
    for at in range(340, 430):
        new[at] = new[at - 11]
    new[1000:1004] = pack("<I", 0x3F000000)
    return bytes(new)


def _deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(1, zlib.DEFLATED, -10, 9)
    return deflater.compress(data) + deflater.flush()


def _decode(tier: int, stream: bytes, new: bytes) -> bytes | None:
    """What the decoder makes of a chunk; None where it refuses it."""
    table = pack("<I", len(stream)) + sha256(new).digest()[:4]
    rate = 5 if tier == patch.TIER_RANGE else 0
    header = patch.Header(tier, 12, rate, len(_BASE), _SIZE, sha256(_BASE).digest(), sha256(new).digest(), table)
    target, source = _Flash(bytes(2048), 0), _Body(stream)
    decoder = segments.Decoder(header, _Flash(_BASE, 0), target)
    try:
        for steps, _ in enumerate(decoder.chunk(0, source, target.write)):
            assert steps < 10_000
    except PatchError:
        return None
    return bytes(target.data[:_SIZE])


def _mutated(data: bytes, chance: random.Random) -> bytes:
    raw = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(raw) or 1)
        way = chance.randrange(5)
        if way == 0 and raw:
            raw[at] ^= 1 << chance.randrange(8)
        elif way == 1:
            raw[at : at + 4] = chance.randbytes(chance.randint(0, 4))
        elif way == 2:
            raw[at : at + chance.randint(0, 2)] = _varint(chance.choice(_NUMBERS))
        elif way == 3:
            raw[at:] = raw[chance.randrange(len(raw) or 1) :]
        else:
            raw[at : at + chance.randint(1, 8)] = b""
    return bytes(raw)


def _varint(value: int) -> bytes:
    writer = coders.Deflated()
    writer.number(0, value)
    return bytes(writer.data)


def _made_up(chance: random.Random) -> bytes:
    """Segments of any kind with numbers that are near what is allowed, or far from it."""
    out = b""
    for _ in range(chance.randint(1, 8)):
        out += bytes([chance.randrange(kinds.KINDS + 1)])
        out += b"".join(_varint(chance.choice(_NUMBERS) >> chance.randrange(3)) for _ in range(chance.randint(1, 6)))
        out += chance.randbytes(chance.randint(0, 200))
    return out


_PROGRAM, _STREAM = _program(), _range()
_WAYS: dict[str, tuple[int, Callable[[random.Random], bytes]]] = {
    "segments": (1, lambda chance: _deflated(_mutated(_PROGRAM, chance))),
    "segments made up": (1, lambda chance: _deflated(_made_up(chance))),
    "deflate": (1, lambda chance: _mutated(_deflated(_PROGRAM), chance)),
    "deflate of bombs": (1, lambda chance: _deflated(_made_up(chance) + bytes(chance.choice((5000, 100_000))))),
    "range coder": (2, lambda chance: _mutated(_STREAM, chance)),
    "range coder, cut": (2, lambda chance: _STREAM[: chance.randrange(len(_STREAM))]),
    "range coder, noise": (2, lambda chance: chance.randbytes(chance.randint(0, 400))),
    "range coder, another's": (2, lambda chance: bytes([chance.choice((0, 0x7E, 0xFF))]) * chance.randint(0, 300)),
}


def test_the_good_ones_are_decoded() -> None:
    assert _decode(1, _deflated(_PROGRAM), _new()) == _decode(2, _STREAM, _new()) == _new()


@pytest.mark.fuzz
@pytest.mark.parametrize("way", _WAYS)
def test_a_hostile_chunk_is_refused(way: str, record_property: Callable[[str, int], None]) -> None:
    tier, make = _WAYS[way]
    count = _TIMES[tier] * _EXAMPLES
    chance, new = random.Random(f"{way} {count}"), _new()
    for _ in range(count):
        stream = make(chance)
        assert _decode(tier, stream, new) in (None, new), stream.hex()
    record_property("hostile chunks of patches", count)
