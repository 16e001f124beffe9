"""One inference of each model: reads and bytes from flash, heap, and how many times faster viper is than plain code."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from mulligan_host.build import build_package
from mulligan_host.micropython import MicroPython
from mulligan_host.resources import resource

MODELS = ("1.0.0", "1.1.0", "1.2.0-bad", "1.3.0-slow")

# Runs on MicroPython: argv are the package, "plain" for the plain kernels or "", and the model.
INFERENCE = """
import gc, sys, time
package, plain, path = sys.argv[1:]
sys.path[:] = [package, ".frozen"]
gc.collect()
gc.threshold(4096)
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
source = Source(path)
if plain:
    def plain(name):
        return __import__("mulligan.tflite.kernels." + name, None, None, ("",))
    model = Interpreter(source, None, None, plain)
else:
    model = Interpreter(source)
model.invoke()
source.reads = source.bytes = 0
best = None
for _ in range(3):
    t = time.ticks_us()
    model.invoke()
    t = time.ticks_diff(time.ticks_us(), t)
    best = t if best is None else min(best, t)
gc.collect()
print(best, source.reads // 3, source.bytes // 3, model.macs, free - gc.mem_free())
"""


def tables(ports: list[MicroPython]) -> Iterator[Table]:
    """One table for each port."""
    with tempfile.TemporaryDirectory(prefix="mulligan-bench-") as work:
        for mp in ports:
            yield _inference(mp, Path(work))


def _inference(mp: MicroPython, work: Path) -> Table:
    script = work / "inference.py"
    script.write_text(INFERENCE)
    table = Table(title=f"one inference, {mp.label}", title_justify="left")
    for column in ("model", "operations", "reads", "bytes read", "heap, code included", "plain / viper time"):
        table.add_column(column, justify="right")
    for version in MODELS:
        model = resource(f"models/digits-{version}.tflite")

        def run(plain: str, model: Path = model) -> list[int]:
            command = mp.command(script, build_package(mp), plain, model, heap="512k")
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            return [int(word) for word in done.stdout.split()]

        time_us, reads, size, macs, heap = run("")
        ratio = f"{run('plain')[0] / time_us:.0f}" if mp.has_native else "no native emitter"
        table.add_row(version, *map(str, (macs, reads, size, heap)), ratio)
    return table
