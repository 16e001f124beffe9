"""Patches: whatever base and artifact, the patch yields the artifact; whatever happens to it, never anything else."""

import random
import subprocess
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from host import modelbuild
from host.rig import image
from mulligan.core import chunks, patch
from mulligan.core.errors import PatchError
from mulligan_host import delta
from mulligan_host.build import build_package
from mulligan_host.errors import HostError
from mulligan_host.micropython import MicroPython
from mulligan_host.resources import resource

CHUNK = 1 << delta.FULL_CHUNK_BITS

APPLY = """
import sys
from binascii import hexlify
from hashlib import sha256
from mulligan.core import chunks, patch
from mulligan.core.segments import Decoder

class Base:
    def __init__(self, data):
        self.data = data
        self.size = len(data)
    def readinto(self, at, buf):
        buf[:] = self.data[at : at + len(buf)]

class Target(Base):
    def __init__(self, size):
        Base.__init__(self, bytearray(size))
        self.at = 0
    def write(self, buf):
        self.data[self.at : self.at + len(buf)] = buf
        self.at += len(buf)

class Body:
    def __init__(self, data, at):
        self.data = data
        self.at = at
    def readinto(self, buf):
        assert self.at + len(buf) <= len(self.data)
        buf[:] = self.data[self.at : self.at + len(buf)]
        self.at += len(buf)

def read(path):
    with open(path, "rb") as f:
        return f.read()

for name in sys.argv[1:]:
    data = read(name + ".patch")
    size = patch.table_size(data[: chunks.HEADER_SIZE], int.from_bytes(data[12:16], "little"))
    header = patch.decode_header(data[: chunks.HEADER_SIZE], data[chunks.HEADER_SIZE : chunks.HEADER_SIZE + size])
    target = Target(header.new_size)
    decoder = Decoder(header, Base(read(name + ".base")), target)
    body = Body(data, chunks.start_of(header, 0))
    for index in range(chunks.count_of(header)):
        for _ in decoder.chunk(index, body, target.write):
            pass
    assert body.at == len(data)
    print(hexlify(sha256(target.data).digest()).decode())
"""


@st.composite
def pairs(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A base, and an artifact made of parts of it: as they are, with small differences, moved, and of parts that are new."""
    chance = random.Random(draw(st.integers(0, 1 << 32)))
    base = chance.randbytes(draw(st.integers(0, 3 * CHUNK)))
    new = b""
    for kind in draw(st.lists(st.sampled_from(["same", "near", "new", "zeros"]), min_size=1, max_size=8)):
        start, length = chance.randint(0, len(base)), draw(st.integers(1, 2 * CHUNK))
        part = base[start : start + length]
        if kind == "near":
            part = bytes((b + (chance.random() < 0.05)) & 0xFF for b in part)
        new += {"new": chance.randbytes(length), "zeros": bytes(length)}.get(kind, part)
    return base, new or b"x"


@settings(max_examples=40, deadline=None)
@given(pairs())
@example((b"", b"x"))
@example((b"x", b"x"))
@example((b"x", b"y" * (CHUNK + 1)))
@example((bytes(CHUNK), bytes(CHUNK)))
@example((bytes(range(256)) * 16, bytes(range(256)) * 16 + b"\0"))
def test_round_trip(pair: tuple[bytes, bytes]) -> None:
    base, new = pair
    made = delta.make(base, new)
    assert delta.apply(base, made) == new
    assert delta.make(base, new) == made
    full = delta.make(b"", new)
    count = -(-len(new) // CHUNK)
    assert len(made) <= len(full) <= chunks.HEADER_SIZE + len(new) + 24 * count
    header = delta.read_header(made)
    assert chunks.start_of(header, chunks.count_of(header)) == len(made)


@settings(max_examples=25, deadline=None)
@given(pairs(), st.binary(min_size=1, max_size=3 * CHUNK))
def test_another_base_is_refused(pair: tuple[bytes, bytes], other: bytes) -> None:
    base, new = pair
    made = delta.make(base, new)
    if base and other != base:
        with pytest.raises(PatchError, match="another base"):
            delta.apply(other, made)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_patch_never_yields_something_else(data: st.DataObject) -> None:
    base, new, made = damaged_example()
    kind = data.draw(st.sampled_from(["flip", "cut", "insert", "swap"]))
    at = data.draw(st.integers(0, len(made) - 1))
    if kind == "flip":
        spoilt = made[:at] + bytes([made[at] ^ 1 << data.draw(st.integers(0, 7))]) + made[at + 1 :]
    elif kind == "cut":
        spoilt = made[:at]
    elif kind == "insert":
        spoilt = made[:at] + data.draw(st.binary(min_size=1, max_size=9)) + made[at:]
    else:
        to = data.draw(st.integers(0, len(made) - 1))
        spoilt = made[:at] + made[to : to + 8] + made[at + 8 :]
    with suppress(PatchError):
        assert delta.apply(base, spoilt) == new


_EXAMPLE: list[tuple[bytes, bytes, bytes]] = []


def damaged_example() -> tuple[bytes, bytes, bytes]:
    if not _EXAMPLE:
        chance = random.Random(7)
        base = chance.randbytes(2 * CHUNK)
        new = base[:3000] + bytes((b + 1) & 0xFF for b in base[3000:5000]) + b"new" * 200 + base[1000:6000]
        _EXAMPLE.append((base, new, delta.make(base, new)))
    return _EXAMPLE[0]


@pytest.mark.parametrize("new", [b"", bytes(delta.MAX_ARTIFACT + 1)], ids=["nothing", "too much"])
def test_what_cannot_be_patched(new: bytes) -> None:
    with pytest.raises(HostError, match="cannot be patched"):
        delta.make(b"base", new)


def test_the_figures_of_the_models() -> None:
    """A fine-tuned model costs an eighth of the full artifact; the same one next to nothing."""
    old, new = image("1.0.0"), image("1.1.0")
    full = len(delta.make(b"", new))
    assert len(delta.make(old, new)) < full // 5
    assert len(delta.make(new, new)) < 300
    assert len(delta.make(image("1.3.0-slow"), new)) <= full


def words() -> bytes:
    """Few words again and again, whose matches have codes of few bits: many of them stand in what is held of the stream."""
    chance = random.Random(4)
    count = 4 * chance.choice((2, 3, 4, 6))
    some = [bytes(chance.randrange(256) for _ in range(chance.randrange(3, 9))) for _ in range(count)]
    found = bytearray()
    while len(found) < 30000:
        found += chance.choice(some) if chance.random() < 0.9 else chance.randbytes(1)
    return bytes(found)


def subgraphs(turn: int) -> bytes:
    """A model of two subgraphs; the second time their weights differ, stand in another order, and outside of the flatbuffer."""
    built = []
    for seed in (1, 2):
        graph = modelbuild.Subgraph()
        for rows in (20, 30)[:: -1 if turn else 1]:
            weights = np.random.default_rng(100 * seed + rows).integers(-127, 127, (rows, 16)) + turn
            graph.constant(weights.astype(np.int8), [0.01 + 0.001 * turn] * rows)
        built.append(graph)
    return modelbuild.build(*built, outside=turn > 0)


@pytest.mark.upy
def test_micropython_yields_the_same(micropython32: MicroPython, tmp_path: Path) -> None:
    chance = random.Random(3)
    base = chance.randbytes(9000)
    batch = {
        "full": (b"", image("1.1.0")),
        "tuned": (image("1.0.0"), image("1.1.0")),
        "same": (base, base),
        "moved": (base, base[5000:] + base[:5000]),
        "near": (base, bytes((b + (chance.random() < 0.1)) & 0xFF for b in base)),
        "pieces": (base, b"".join(base[at : at + 30] + chance.randbytes(at % 4) for at in chance.sample(range(8900), 400))),
        "other": (base, chance.randbytes(9000)),
        "subgraphs": (subgraphs(0), subgraphs(1)),
        "tiny": (b"a", b"b"),
        "zeros": (base, bytes(20000)),
        "words": (b"", words()),
        "text": (resource("models/models.json").read_bytes(), resource("models/README.md").read_bytes()),
    }
    expected = {}
    for name, (old, new) in batch.items():
        for tier in (patch.TIER_DEFLATE, patch.TIER_RANGE):
            expected[f"{name}{tier}"] = sha256(new).hexdigest()
            (tmp_path / f"{name}{tier}.base").write_bytes(old)
            (tmp_path / f"{name}{tier}.patch").write_bytes(delta.make(old, new, (tier,)))
    script = tmp_path / "apply.py"
    script.write_text(f"import sys\nsys.path.insert(0, {str(build_package(micropython32))!r})\n{APPLY}")
    command = micropython32.command(script, *expected, heap="512k")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == list(expected.values())
