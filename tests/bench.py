"""``make bench``: bytes, counts and ratios of the hot paths. No absolute times: this machine's are nobody else's.

Ratios are taken inside one interpreter and run; a count is exact.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import bsdiff4
from rich.console import Console
from rich.table import Table

from mulligan_host import delta, keys, pack, provision, release, server
from mulligan_host.build import build_package
from mulligan_host.micropython import MicroPython, resolve
from mulligan_host.resources import resource
from mulligan_host.virtual.board import HEAP, BoardError, VirtualBoard

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
model = Interpreter(source)
if plain:
    from mulligan.tflite import kernels
    model._runtime.kernels = kernels
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

# The app of the board whose heap is measured: it says what is in use before Mulligan, after its boot, and at most.
MEMORY = b"""
import gc
import mulligan
while mulligan.status()["artifacts"][0]["version"] != "1.1.0":
    with mulligan.model("digits") as m:
        m.invoke(bytes(64))
    mulligan.step()
print("heap start={} booted={} peak={}".format(start, booted, mulligan.status()["heap_peak"]))
"""
MEASURED_BOOT = b"""
import gc
gc.collect()
start = gc.mem_alloc()
import mulligan
mulligan.boot()
gc.collect()
booted = gc.mem_alloc()
"""


def patches() -> Table:
    """Our patches of the models in models/, beside the full artifact and bsdiff4."""
    samples = pack.load_samples(resource("models/golden.npz"))
    images = {
        version: pack.pack(resource(f"models/digits-{version}.tflite").read_bytes(), "digits", version, samples, [])
        for version in MODELS
    }
    table = Table(title="patches from digits 1.0.0, bytes", title_justify="left")
    for column in ("to", "artifact", "full, deflated", "patch", "% of full", "bsdiff4 (bzip2)"):
        table.add_column(column, justify="right")
    for version in MODELS[1:]:
        base, new = images["1.0.0"], images[version]
        made = len(delta.make(base, new))
        sizes = (len(new), len(delta.make(b"", new)), made)
        share = f"{100 * made / len(new):.1f}"
        table.add_row(version, *map(str, sizes), share, str(len(bsdiff4.diff(base, new))))
    return table


def inference(mp: MicroPython, work: Path) -> Table:
    """One inference of each model: reads and bytes from flash, heap, and how many times faster viper is than plain code."""
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


def memory(mp: MicroPython, work: Path) -> Table:
    """The heap of one update from digits 1.0.0 to 1.1.0 on the virtual board, in bytes, and the least that it works in."""
    samples = pack.load_samples(resource("models/golden.npz"))
    work.mkdir()
    signer, directory = keys.Signer.generate(), release.Directory(work / "releases")
    images = []
    for version in MODELS[:2]:
        tflite = resource(f"models/digits-{version}.tflite").read_bytes()
        images.append(pack.pack(tflite, "digits", version, samples, []))
        directory.build(release.Order(images[-1], ["virtual"], release.Health(correct=14)))
    directory.sign("1.1.0", signer)

    def update(web: server.Server, kib: int) -> dict[str, int] | None:
        path = work / f"flash-{mp.bits}-{kib}"
        setup = provision.Setup(
            "virtual",
            [signer.public],
            images[0],
            web.url + "/",
            web.ca_der,
            poll_ms=200,
            files={"boot.py": MEASURED_BOOT, "main.py": MEMORY},
        )
        provision.virtual_flash(path, setup, mp)
        with VirtualBoard(path, [mp], heap=kib * 1024, max_resets=1) as board:
            board.power_on()
            try:
                line = board.wait("^heap |rolled-back|waiting|^MemoryError|Unsupported")
            except BoardError:
                return None
        if not line.startswith("heap "):
            return None
        return {key: int(value) for key, value in (word.split("=") for word in line.split()[1:])}

    with server.serve(directory.path) as web:
        least = most = HEAP[mp.bits] // 1024
        facts = update(web, most)
        while least > 0 and update(web, least - 4):
            least -= 4
    table = Table(title=f"heap of an update, {mp.label}, of {most} KiB", title_justify="left")
    for column in ("the runtime's share", "after boot", "most, live", "least that works"):
        table.add_column(column, justify="right")
    if facts:
        table.add_row(*(str(facts[key]) for key in ("start", "booted", "peak")), f"{least} KiB")
    return table


def main() -> int:
    console = Console(width=120)
    console.print(patches())
    with tempfile.TemporaryDirectory(prefix="mulligan-bench-") as work:
        for mp in resolve():
            console.print(inference(mp, Path(work)))
            console.print(memory(mp, Path(work) / mp.label))
    return 0


if __name__ == "__main__":
    sys.exit(main())
