"""What decoding a patch costs on MicroPython: heap, beside what was in use before, and time, beside a bare viper loop.

Heap is that of a whole installation over HTTP, beside what the client's modules and everything before them took: the link, the
installer, the decoder and their modules, as the most that was in use whenever a piece had been written. Time is that of the
decoder alone, in memory, per byte of the artifact, over that of a viper loop that adds one buffer to another, in the same
process; the best of six runs each.
"""

import json
import subprocess
import tempfile
from pathlib import Path

from mulligan.core import patch
from mulligan_host.build import build_package
from mulligan_host.micropython import MicroPython
from mulligan_host.server import serve

# Bytes of a viper loop that a byte of the artifact may take in the densest patch.
BARS = {patch.TIER_DEFLATE: 12, patch.TIER_RANGE: 40}

BARE = """
import micropython


@micropython.viper
def add(target: ptr8, source: ptr8, count: int):
    i = 0
    while i < count:
        target[i] = target[i] + source[i]
        i += 1
"""

# Each runs on MicroPython: argv are directories for sys.path, then what it says.
HEAP = """
import gc, json, sys
sys.path[:] = [sys.argv[1], ".frozen"]
url, base_path, target_path, size, digest = sys.argv[2:]
from binascii import unhexlify
size = int(size)
from mulligan.borrow import Borrowed
import mulligan.core.errors, mulligan.core.limits
try:
    import mulligan.core.blend_viper, mulligan.core.huffman_viper, mulligan.core.symbols_viper
except (ImportError, ValueError):
    pass
for name in ("install", "resume", "core.inflate", "core.ranged", "port.http"):
    with Borrowed(name):
        pass

class Flash:
    label = "slot"
    def __init__(self, path, size):
        self.file = open(path, "r+b")
        self.size = size
    def readinto(self, at, buf):
        self.file.seek(at)
        assert self.file.readinto(buf) == len(buf)
    def erase(self, at):
        pass
    def program(self, at, buf):
        self.file.seek(at)
        self.file.write(buf)

most = steps = 0

def sample():
    global most
    gc.collect()
    most = max(most, gc.mem_alloc())

def run():
    global steps
    base = Flash(base_path, int(base_size)) if base_size else None
    with Borrowed("install") as install:
        def fetch(start, tag):
            return client.get(url, start, 1 << 26, tag)
        room = [bytearray(2560)]
        target = Flash(target_path, (size + 4095) // 4096 * 4096)
        installer = install.Installer(target, base, size, unhexlify(digest), fetch, room, sample)
        for _ in installer.run():
            steps += 1

base_path, base_size = base_path.rsplit(":", 1)
base_size = int(base_size)
with Borrowed("port.http") as http:
    client = http.Client(None, None)
    client.get(url, 0).close()
    gc.collect()
    idle = gc.mem_alloc()
    run()
print(json.dumps([most - idle]))
"""

SETUP = """
import gc, json, sys, time
from deflate import RAW, DeflateIO
from hashlib import sha256
from io import BytesIO
sys.path[:] = [sys.argv[1], sys.argv[2], ".frozen"]
from bare import add
from mulligan.core import chunks, patch, segments

class Memory:
    def __init__(self, data):
        self.data = data
        self.size = len(data)
    def readinto(self, at, buf):
        buf[:] = self.view[at : at + len(buf)]

class Target(Memory):
    def write(self, buf):
        self.view[self.at : self.at + len(buf)] = buf
        self.at += len(buf)

def read(path):
    with open(path, "rb") as file:
        return file.read()

data = read(sys.argv[4])
table = patch.table_size(data[: chunks.HEADER_SIZE], int.from_bytes(data[12:16], "little"))
header = patch.decode_header(data[: chunks.HEADER_SIZE], data[chunks.HEADER_SIZE : chunks.HEADER_SIZE + table])
base, target, body = Memory(read(sys.argv[3])), Target(bytearray(header.new_size)), Target(data)
body.readinto = None
for one in (base, target, body):
    one.view = memoryview(one.data)

class Body:
    at = 0
    def readinto(self, buf):
        buf[:] = body.view[self.at : self.at + len(buf)]
        self.at += len(buf)

def decode():
    decoder = segments.Decoder(header, base, target)
    source = Body()
    source.at = chunks.start_of(header, 0)
    target.at = 0
    for index in range(chunks.count_of(header)):
        for _ in decoder.chunk(index, source, target.write):
            pass
"""

TIME = (
    SETUP
    + """
SIZE = 16384
one, other = bytearray(SIZE), bytearray(SIZE)

def loop():
    add(one, other, SIZE)

clock = getattr(time, "clock", time.ticks_us)  # the processor's, of this process alone, in ticks of a millisecond or more

def firmware():  # what its inflater and its SHA-256 alone would take
    for index in range(chunks.count_of(header)):
        start = chunks.start_of(header, index)
        stream = DeflateIO(BytesIO(data[start : start + chunks.size_in_patch(header, index)]), RAW, 10)
        hasher = sha256()
        while True:
            count = stream.readinto(piece)
            if not count:
                break
            hasher.update(piece)
        hasher.digest()

def timed(run):
    gc.collect()
    times, start = 0, clock()
    while times == 0 or clock() - start < ENOUGH:
        run()
        times += 1
    return (clock() - start) / times

ENOUGH = 0.05
piece = bytearray(1024)
runs = [decode, loop] + ([firmware] if header.tier == patch.TIER_DEFLATE else [])
rounds = [[timed(run) for run in runs] for _ in range(6)]
best = [min(column) for column in zip(*rounds)]
unit = best[1] / SIZE
print(json.dumps([value / header.new_size / unit for value in best[:1] + best[2:]]))
"""
)

# Base, artifact and download copy bytes without allocating anything themselves, as ports on the chip do.
ALLOCATED = (
    SETUP
    + """
from mulligan.core.blend_viper import copy

class Quiet:
    reads = 0
    def __init__(self, data, at=0):
        self.data = data
        self.size = len(data)
        self.at = at

class Old(Quiet):
    def readinto(self, at, buf):
        copy(buf, 0, self.data, at, len(buf))

class New(Old):
    def write(self, buf):
        copy(self.data, self.at, buf, 0, len(buf))
        self.at += len(buf)

class Source(Quiet):
    def readinto(self, buf):
        copy(buf, 0, self.data, self.at, len(buf))
        self.at += len(buf)
        self.reads += 1

new = New(bytearray(header.new_size))
decoder = segments.Decoder(header, Old(base.data), new)

def run():
    new.at = 0
    source = Source(data, chunks.start_of(header, 0))
    for index in range(chunks.count_of(header)):
        for _ in decoder.chunk(index, source, new.write):
            pass
    return source.reads

run()
gc.collect()
gc.disable()
before = gc.mem_alloc()
reads = run()
print(json.dumps([gc.mem_alloc() - before, reads]))
"""
)


def allocated(mp: MicroPython, base: bytes, data: bytes) -> tuple[int, int]:
    """Return how many bytes applying ``data`` for the second time allocates in all, and how often it reads the download."""
    found, reads = _applied(mp, base, data, ALLOCATED)
    return int(found), int(reads)


def heap(mp: MicroPython, base: bytes, new: bytes, digest: bytes, data: bytes) -> int:
    """Return the most bytes of heap that installing the patch ``data`` takes, beside what was in use before."""
    with tempfile.TemporaryDirectory() as work:
        path = Path(work)
        (path / "most.py").write_text(HEAP)
        (path / "base").write_bytes(base)
        (path / "target").write_bytes(bytes(len(new) + 4096))
        (path / "web").mkdir()
        (path / "web" / "patch").write_bytes(data)
        with serve(path / "web", tls=False) as web:
            url = f"{web.url}/patch"
            arguments = (build_package(mp), url, f"base:{len(base)}", "target", str(len(new)), digest.hex())
            (found,) = _run(mp, path, "most.py", *map(str, arguments), heap="1M")
        assert (path / "target").read_bytes()[: len(new)] == new
    return int(found)


def cost(mp: MicroPython, base: bytes, data: bytes) -> tuple[float, float | None]:
    """Return how many times as long a byte of the artifact takes as one of a bare viper loop.

    And, in tier 1, how many times what the firmware's own inflater and SHA-256 alone would take for the same stream.
    """
    ours, *floor = _applied(mp, base, data, TIME)
    return ours, floor[0] if floor else None


def _applied(mp: MicroPython, base: bytes, data: bytes, script: str) -> list[float]:
    with tempfile.TemporaryDirectory() as work:
        path = Path(work)
        (path / "script.py").write_text(script)
        source, bare = path / "source", path / "bare"
        source.mkdir()
        (source / "bare.py").write_text(BARE)
        (path / "base").write_bytes(base)
        (path / "patch").write_bytes(data)
        bare = build_package(mp, source)
        return _run(mp, path, "script.py", str(build_package(mp)), str(bare), "base", "patch", heap="16M")


def _run(mp: MicroPython, work: Path, *command: str, heap: str) -> list[float]:
    done = subprocess.run(mp.command(*command, heap=heap), cwd=work, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[float] = json.loads(done.stdout)
    return found
