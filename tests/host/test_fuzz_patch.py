"""Hostile patches whose header is in order: what their chunks say reaches the decoder. Both tiers, on CPython and MicroPython.

``make fuzz`` decodes a million of them, ``make test`` some. Whatever a chunk says, the decoder asks for nothing outside of the
base, of what it wrote and of the chunk, gives no more than the chunk of the artifact has, and ends; either with exactly the
artifact or with PatchError.
"""

import os
import random
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from struct import pack

import pytest

from core import fuzz_patch
from mulligan.core import kinds, patch
from mulligan_host.build import build_package
from mulligan_host.delta import coders
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
    encoder = coders.Encoder(_RATES[patch.TIER_RANGE])
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
WAYS: dict[str, tuple[int, Callable[[random.Random], bytes]]] = {
    "segments": (1, lambda chance: _deflated(_mutated(_PROGRAM, chance))),
    "segments made up": (1, lambda chance: _deflated(_made_up(chance))),
    "deflate": (1, lambda chance: _mutated(_deflated(_PROGRAM), chance)),
    "deflate of bombs": (1, lambda chance: _deflated(_made_up(chance) + bytes(chance.choice((5000, 100_000))))),
    "range coder": (2, lambda chance: _mutated(_STREAM, chance)),
    "range coder, cut": (2, lambda chance: _STREAM[: chance.randrange(len(_STREAM))]),
    "range coder, noise": (2, lambda chance: chance.randbytes(chance.randint(0, 400))),
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
    for name, data in (("base", _BASE), ("new", _new())):
        (tmp_path / name).write_bytes(data)
    total = 0
    for mp in micropythons:
        chance = random.Random(f"{way} {mp.label}")
        with (tmp_path / "chunks").open("wb") as file:
            for _ in range(ON_A_PORT * _EXAMPLES):
                chunk = make(chance)
                file.write(len(chunk).to_bytes(2, "little") + chunk)
        arguments = (build_package(mp), tier, _RATES[tier], tmp_path / "base", tmp_path / "new", tmp_path / "chunks")
        command = mp.command(TESTS / "core" / "fuzz_patch.py", *map(str, arguments), heap="1M")
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"{mp.label}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        tried, _ = map(int, done.stdout.split())
        assert tried == ON_A_PORT * _EXAMPLES
        total += tried
    record_property("hostile chunks of patches", total)
