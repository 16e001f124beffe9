"""Hostile patches whose header is in order: what their chunks say reaches the decoder. Both tiers, on CPython and MicroPython.

``make fuzz`` decodes a million of them, ``make test`` some. Whatever a chunk says, the decoder asks for nothing outside of the
base, of what it wrote and of the chunk, gives no more than the chunk of the artifact has, and ends; either with exactly the
artifact or with PatchError.
"""

import os
import random
import subprocess
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from struct import pack

import pytest

from core import fuzz_patch
from mulligan.core import chunks, contexts, kinds, packets, patch, segments
from mulligan.core.errors import PatchError
from mulligan_host import delta
from mulligan_host.build import build_package
from mulligan_host.delta import coders, deflate
from mulligan_host.delta.packer import Packer
from mulligan_host.delta.packets import Packet
from mulligan_host.delta.segment import Segment
from mulligan_host.micropython import MicroPython

Record = Callable[[str, int], None]

TESTS = Path(__file__).parents[1]
_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))  # of each way, on CPython, whose kernels are slow; 20,000 in make fuzz
ON_A_PORT = 3  # times as many on each of the ports
_SECONDS = 1800  # for a process that hangs; far above what any takes
_RATES = {patch.TIER_DEFLATE: 0, patch.TIER_RANGE: 5}
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
    Segment(kinds.LITERAL, 1400, 40),
    Segment(kinds.WIDE8, 1440, 60),
]
_NUMBERS = (0, 1, 2, 3, 11, 12, 0x7F, 0x80, 0xFF, 899, 900, 901, 1499, 1500, 0xFFFF, (1 << 28) - 1, 1 << 28, (1 << 32) - 1)


def _program() -> bytes:
    """The segments of tier 1, before they are deflated."""
    writer = coders.Deflated()
    coders.write(writer, _SEGMENTS, _BASE, _new())
    return bytes(writer.data)


def _range() -> bytes:
    encoder = coders.Encoder(_RATES[patch.TIER_RANGE], Packer(_BASE, _new()))
    coders.write(encoder, _SEGMENTS, _BASE, _new())
    return encoder.finish()


def _new() -> bytes:
    """An artifact that the segments yield: what they copy, repeat, and look for stands where they say."""
    new = bytearray(random.Random(2).randbytes(_SIZE))
    new[40:340] = _BASE[7:307]
    for at in range(340, 430):
        new[at] = new[at - 11]
    new[1000:1004] = pack("<I", 0x3F000000)
    new[10:38] = _BASE[100:109] + b"." + _BASE[110:120] + new[2:10]
    new[1405:1440] = new[1310:1335] + new[1400:1410]
    return bytes(new)


def _deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(1, zlib.DEFLATED, -10, 9)
    return deflater.compress(data) + deflater.flush()


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


def _packets_made_up(chance: random.Random) -> bytes:
    """Packets with lengths and distances that are near what is allowed, or far from it."""
    encoder = coders.Encoder(_RATES[patch.TIER_RANGE])
    encoder.number(kinds.LITERAL, kinds.LITERAL)
    encoder.number(kinds.LENGTH + kinds.LITERAL, chance.choice((_SIZE - 1, chance.randrange(_SIZE))))
    state = encoder.state
    state[kinds.LAST], state[kinds.BEFORE] = len(_BASE), 1
    for _ in range(chance.randint(1, 60)):
        packet = state[contexts.PACKET]
        if encoder.bit(contexts.MATCH + packet, chance.random() < 0.7):
            some = chance.choice((chance.choice(_NUMBERS) or 1, chance.randint(1, 2400)))
            distance = chance.choice((state[kinds.LAST], state[kinds.BEFORE], some))
            length = chance.choice((chance.randint(2, 300), 2 + chance.choice(_NUMBERS)))
            packets.match(encoder, state, 1 if distance == state[kinds.LAST] and chance.random() < 0.5 else length, distance)
        else:
            packets.literal(
                encoder, chance.choice((contexts.NONE, 0x55)) if packet >= contexts.MATCHED_FROM else contexts.NONE, 0x5A
            )
            state[contexts.PACKET] = packets.after_literal(packet)
    return encoder.finish()


_PROGRAM, _STREAM = _program(), _range()
WAYS: dict[str, tuple[int, Callable[[random.Random], bytes]]] = {
    "segments": (1, lambda chance: _deflated(_mutated(_PROGRAM, chance))),
    "segments made up": (1, lambda chance: _deflated(_made_up(chance))),
    "deflate": (1, lambda chance: _mutated(_deflated(_PROGRAM), chance)),
    "deflate of bombs": (1, lambda chance: _deflated(_made_up(chance) + bytes(chance.choice((5000, 100_000))))),
    "range coder": (2, lambda chance: _mutated(_STREAM, chance)),
    "range coder, cut": (2, lambda chance: _STREAM[: chance.randrange(len(_STREAM))]),
    "range coder, noise": (2, lambda chance: chance.randbytes(chance.randint(0, 400))),
    "packets made up": (2, _packets_made_up),
    "range coder, another's": (2, lambda chance: bytes([chance.choice((0, 0x7E, 0xFF))]) * chance.randint(0, 300)),
}


def _decode(tier: int, chunk: bytes) -> bytes | None:
    decoded: bytes | None = fuzz_patch.decode(tier, _RATES[tier], chunk, _BASE, _new())
    return decoded


def test_the_good_ones_are_decoded() -> None:
    assert _decode(1, _deflated(_PROGRAM)) == _decode(2, _STREAM) == _new()


@pytest.mark.fuzz
@pytest.mark.parametrize("way", WAYS)
def test_a_hostile_chunk_is_refused(way: str, record_property: Record) -> None:
    """On CPython, whose kernels are the plain ones."""
    tier, make = WAYS[way]
    chance, new = random.Random(f"{way} {_EXAMPLES}"), _new()
    for _ in range(_EXAMPLES):
        chunk = make(chance)
        assert _decode(tier, chunk) in (None, new), chunk.hex()
    record_property("hostile chunks of patches", _EXAMPLES)


@pytest.mark.fuzz
@pytest.mark.parametrize("way", WAYS)
def test_on_micropython(way: str, micropythons: list[MicroPython], tmp_path: Path, record_property: Record) -> None:
    """On the ports, with their machine code."""
    tier, make = WAYS[way]
    count = ON_A_PORT * _EXAMPLES
    for mp in micropythons:
        chance = random.Random(f"{way} {mp.label}")
        chunks = ((make(chance), b"", b"") for _ in range(count - 1))
        tried, _ = _on(mp, tier, [(make(chance), _BASE, _new()), *chunks], tmp_path)
        assert tried == count
    record_property("hostile chunks of patches", count * len(micropythons))


@pytest.mark.fuzz
@pytest.mark.parametrize("tier", _RATES)
def test_sound_chunks_are_decoded(tier: int, micropythons: list[MicroPython], tmp_path: Path, record_property: Record) -> None:
    """Whatever segments, contents and deflaters there are: no port refuses what is right, or makes something else of it."""
    for mp in micropythons:
        chance = random.Random(f"{tier} {mp.label}")
        assert _on(mp, tier, (_sound(tier, chance) for _ in range(_EXAMPLES)), tmp_path) == (_EXAMPLES, _EXAMPLES)
    record_property("sound chunks of patches", _EXAMPLES * len(micropythons))


def _on(mp: MicroPython, tier: int, chunks: Iterable[tuple[bytes, bytes, bytes]], tmp_path: Path) -> tuple[int, int]:
    """Have a port decode ``chunks``, each with its base and artifact, as fuzz_patch.py says: how many were tried, and gave it."""
    path = tmp_path / "chunks"
    with path.open("wb") as file:
        for entry in chunks:
            file.write(pack("<3H", *map(len, entry)) + b"".join(entry))
    arguments = (build_package(mp), tier, _RATES[tier], path)
    command = mp.command(TESTS / "core" / "fuzz_patch.py", *map(str, arguments), heap="1M")
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{mp.label}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    tried, good = map(int, done.stdout.split())
    return tried, good


def _sound(tier: int, chance: random.Random) -> tuple[bytes, bytes, bytes]:
    """A chunk, its base and its artifact: segments of all kinds, contents that deflate to codes and matches of all sorts."""
    base = _content(chance, chance.randint(1, 3000))
    new, found = bytearray(b"M"), [Segment(kinds.LITERAL, 0, 1)]
    for _ in range(chance.randint(1, 12)):
        kind, at = chance.randrange(kinds.KINDS), len(new)
        start = chance.randrange(len(base))
        length = chance.randint(1, chance.choice((4, 300, 3000)))
        if kind >= kinds.COPY:
            length = min(length, len(base) - start)
        if kind >= kinds.ADD32:
            length -= length % 4
        if not length:
            continue
        if kind == kinds.COPY:
            new += base[start : start + length]
        elif kind == kinds.REPEAT:
            back = chance.randint(1, at)
            for _ in range(length):
                new.append(new[-back])
            found.append(Segment(kind, at, length, back=back))
            continue
        elif kind > kinds.COPY and chance.random() < 0.8:
            new += bytes(byte + (chance.random() < 0.2) & 0xFF for byte in base[start : start + length])
        else:
            new += _content(chance, length)
        unit = {kinds.SCALE8: kinds.UNIT8, kinds.MULADD32: kinds.UNIT32}.get(kind, 0)
        factors = tuple(chance.choice((unit - unit // 9, unit, unit + 5)) for _ in range(3)) if unit else ()
        run, factor = chance.randint(1, 50), chance.choice((0x3F000000, 0x3B9A1234))
        found.append(Segment(kind, at, length, start if kind >= kinds.COPY else 0, run=run, factors=factors, factor=factor))
    if tier == patch.TIER_RANGE:
        packer = Packer(base, bytes(new)) if chance.random() < 0.1 else _AnyPacker(base, bytes(new), chance)
        encoder = coders.Encoder(_RATES[tier], packer)
        coders.write(encoder, found, base, bytes(new))
        return encoder.finish(), base, bytes(new)
    writer = coders.Deflated()
    coders.write(writer, found, base, bytes(new))
    if chance.random() < 0.05:
        return deflate.deflate(bytes(writer.data)), base, bytes(new)
    deflater = zlib.compressobj(chance.randint(0, 9), zlib.DEFLATED, -10, chance.randint(1, 9), chance.randint(0, 4))
    out = b""
    for at in range(0, len(writer.data), 1000):
        out += deflater.compress(writer.data[at : at + 1000])
        if chance.random() < 0.1:
            out += deflater.flush(chance.choice((zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_PARTIAL_FLUSH)))
    return out + deflater.flush(), base, bytes(new)


class _AnyPacker(Packer):
    """Packets that are right, and as long and as far back as chance has it."""

    def __init__(self, base: bytes, new: bytes, chance: random.Random) -> None:
        super().__init__(base, new)
        self._all, self._before, self._chance = base + new, len(base), chance

    def parse(self, at: int, end: int, last: int) -> list[Packet]:
        data, chance, before = self._all, self._chance, 1
        place, end = self._before + at, self._before + end
        found = []
        while place < end:
            near = place - data.rfind(data[place : place + 2], 0, place)
            distance = chance.choice((last, last, before, near, near, chance.randint(1, place)))
            length, most = 0, min(end - place, chance.choice((1, 2, 3, 9, 2000)))
            while distance <= place and length < most and data[place + length] == data[place + length - distance]:
                length += 1
            if not length or (length == 1 and distance != last):
                length, distance = 1, 0
            elif distance != last:
                last, before = distance, last
            found.append(Packet(length, distance))
            place += length
        return found


def _content(chance: random.Random, size: int) -> bytes:
    """Noise, a few words again and again, bytes of very different frequency, runs, or the same byte."""
    words = [chance.randbytes(chance.randint(1, 9)) for _ in range(chance.choice((2, 8, 20)))]
    stray = chance.choice((0, 0.1, 0.5))
    skew = chance.choice((0.05, 0.3, 2))
    ways: list[Callable[[], bytes]] = [
        lambda: chance.randbytes(50),
        lambda: chance.choice(words) if chance.random() >= stray else chance.randbytes(1),
        lambda: bytes([min(255, int(chance.expovariate(skew)))]),
        lambda: bytes([chance.randrange(256)]) * chance.randint(1, 400),
        lambda: b"\0" * size,
    ]
    make, out = chance.choice(ways), bytearray()
    while len(out) < size:
        out += make()
    return bytes(out[:size])


def test_a_chunk_that_is_decoded_anew_holds_nothing_of_before() -> None:
    """What was read of the artifact in a chunk that turned out damaged is read again, as it has become something else."""
    chance = random.Random(2)
    base, filler = chance.randbytes(16), chance.randbytes(2000)
    both = [again + filler + again for again in (chance.randbytes(200), chance.randbytes(200))]
    made = sorted([(delta.make(base, new, (patch.TIER_RANGE,)), new) for new in both], key=lambda one: len(one[0]))
    (damaged, wrong), (sound, right) = made
    header = delta.read_header(sound)
    start = chunks.start_of(header, 0)
    target = fuzz_patch.Flash(bytearray(len(right) + kinds.OLDS), len(right))
    decoder = segments.Decoder(header, fuzz_patch.Flash(base), target)
    with pytest.raises(PatchError):
        deque(decoder.chunk(0, fuzz_patch.Body(damaged[start:].ljust(len(sound))), target.write))
    assert target.data[: len(wrong)] == wrong
    target.end = 0
    deque(decoder.chunk(0, fuzz_patch.Body(sound[start:]), target.write))
    assert target.data[: len(right)] == right
