"""One inference of each model: its cost beside the bare inner loop's, reads and bytes from flash, heap, and bytecode's share.

"ns/MAC ratio": time of a multiply-accumulate, end to end, by that of the bare viper inner loop, measured in the same process in
turn. "bytecode / kernel": the time of an inference whose kernels do nothing and whose reads cost nothing, which is what bytecode
takes, by the rest of the time of one whose reads alone cost nothing. "heap": bytes alive after loading, code included; "works
in": the least heap of the 32-bit port that runs it, everything included. The models of ../shared/models are left out where they
are absent.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from mulligan_host.build import build_package
from mulligan_host.micropython import MicroPython
from mulligan_host.models.run import RUNTIME
from mulligan_host.resources import resource

DIGITS = ("1.0.0", "1.1.0", "1.2.0-bad", "1.3.0-slow")
SHARED = Path(__file__).resolve().parents[3] / "shared" / "models"
NAMES = ("hello_world_int8", "micro_speech_quantized", "mlperf_ad01_int8", "mlperf_kws", "person_detect")

# The inner loop of `gemm_viper`, over 512 elements, 4096 times.
BARE = """
import micropython

@micropython.viper
def bare(a: ptr8, b: ptr8, t: int):
    x = int(a)
    y = int(b)
    n = 4096
    while n:
        a = ptr8(x)
        b = ptr8(y)
        e = x + 512
        t = 0
        while int(a) < e:
            t = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3] + a[4] * b[4] + a[5] * b[5] + a[6] * b[6] + a[7] * b[7] + t
            a = ptr8(int(a) + 8)
            b = ptr8(int(b) + 8)
        n -= 1
"""

# Runs on MicroPython: argv are the package, the directory of bare.py, "plain" for the plain kernels or "", and the model.
INFERENCE = """
import gc, sys, time
package, bare, plain, path = sys.argv[1:]
sys.path[:] = [package, bare, ".frozen"]
gc.collect()
free = gc.mem_free()
from mulligan.tflite.interpreter import Interpreter

class Source:
    def __init__(self, path):
        self.file = open(path, "rb")
        self.size = self.file.seek(0, 2)
        self.reads = self.bytes = 0

    def readinto(self, at, buf):
        self.file.seek(at)
        self.file.readinto(buf)
        self.reads += 1
        self.bytes += len(buf)

def kernel(name):
    return __import__("mulligan.tflite.kernels." + name, None, None, ("",))

def ns(f):
    # Processor time: on a busy machine an inference is longer than the share of it that a process gets in one go.
    times = 1
    while True:
        t = time.clock()
        for _ in range(times):
            f()
        t = time.clock() - t
        if t > 0.05:
            return int(t / times * 1000000000)
        times *= 2

source = Source(path)
model = Interpreter(source, None, None, kernel) if plain else Interpreter(source)
gc.collect()
heap = free - gc.mem_free()
model.invoke()
source.reads = source.bytes = 0
model.invoke()
reads, size = source.reads, source.bytes
if plain:
    print(ns(model.invoke), 0, 0, 0, reads, size, model.macs, heap, model.arena_size, len(model.input(0)))
else:
    from bare import bare
    row = bytearray(512)
    pairs = [(ns(lambda: bare(row, row, 0)), ns(model.invoke)) for _ in range(5)]
    class Free:
        def readinto(self, at, buf):
            pass
    model.source = Free()
    unread = min([ns(model.invoke) for _ in range(3)])
    def idle(arena, weights, at, p):
        pass
    for step in model._steps:
        step[0] = idle
    bytecode = min([ns(model.invoke) for _ in range(3)])
    loop, whole = [min(column) for column in zip(*pairs)]
    print(whole, loop, bytecode, max(1, unread - bytecode), reads, size, model.macs, heap, model.arena_size, len(model.input(0)))
"""


def tables(ports: list[MicroPython]) -> Iterator[Table]:
    """One table for each port."""
    with tempfile.TemporaryDirectory(prefix="mulligan-bench-") as work:
        for mp in ports:
            yield _inference(mp, Path(work) / mp.label)


def _models() -> list[Path]:
    digits = [resource(f"models/digits-{version}.tflite") for version in DIGITS]
    return digits + [path for path in (SHARED / f"{name}.tflite" for name in NAMES) if path.is_file()]


def _inference(mp: MicroPython, work: Path) -> Table:
    bare = work / "bare"
    bare.mkdir(parents=True)
    (bare / "bare.py").write_text(BARE)
    script = work / "inference.py"
    script.write_text(INFERENCE)
    (work / "p").symlink_to(build_package(mp))
    (work / "r").symlink_to(build_package(mp, RUNTIME))
    table = Table(title=f"one inference, {mp.label}", title_justify="left")
    columns = [
        "model",
        "operations",
        "ns/MAC ratio",
        "bytecode / kernel",
        "plain / viper",
        "reads",
        "bytes read",
        "arena",
        "heap",
    ]
    for column in [*columns, "works in"] if mp.bits == 32 else columns:
        table.add_column(column, justify="right")
    for model in _models():

        def run(plain: str, model: Path = model) -> list[int]:
            command = mp.command(script, "p", bare, plain, model, heap="1M")
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=work)
            return [int(word) for word in done.stdout.split()]

        slow, _, _, _, reads, size, macs, heap, arena, given = run("plain")
        ratios = ["no native emitter"] * 3
        if mp.has_native:
            whole, loop, bytecode, kernels, reads, size, macs, heap, arena, given = run("")
            per_mac = (whole / macs) / (loop / (512 * 4096))
            ratios = [f"{per_mac:.2f}", f"{bytecode / kernels:.2f}", f"{slow / whole:.0f}"]
        row = [model.stem, str(macs), *ratios, *map(str, (reads, size, arena, heap))]
        table.add_row(*row, *([f"{_least(mp, work, model, heap, given)} KB"] if mp.bits == 32 else []))
    return table


def _least(mp: MicroPython, work: Path, model: Path, alive: int, given: int) -> int:
    """Return the least heap in KiB that two inferences run in, as ``mulligan model run`` runs them."""
    (work / "x").write_bytes(bytes(2 * given))
    environment = {**os.environ, "MICROPYPATH": "r:p"}

    def works(kib: int) -> bool:
        command = mp.command("-m", "run", model, "x", "y", "4096", "0", "0", heap=f"{kib}k")
        return not subprocess.run(command, capture_output=True, cwd=work, env=environment, timeout=300).returncode

    low, high = alive // 1024, 4 * alive // 1024 + 64
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high
