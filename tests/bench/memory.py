"""The heap of one update from digits 1.0.0 to 1.1.0 on the virtual board, in bytes, and the least that it works in."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from mulligan_host import ceremony, keys, pack, provision, release, server
from mulligan_host.micropython import MicroPython
from mulligan_host.models.samples import load_samples
from mulligan_host.resources import resource
from mulligan_host.virtual.board import HEAP, BoardError, VirtualBoard

# The app of the board whose heap is measured: it says what is in use before Mulligan, after its boot, and at most.
MEMORY = b"""
import gc
import micropython
import mulligan
while mulligan.status()["artifacts"][0]["version"] != "1.1.0":
    with mulligan.model("digits") as m:
        m.invoke(bytes(64))
    mulligan.step()
micropython.qstr_info()
print("heap start={} booted={} peak={}".format(start, booted, mulligan.status()["heap_peak"]))
"""
MEASURED_BOOT = b"""
import gc
import micropython
gc.collect()
start = gc.mem_alloc()
micropython.qstr_info()
import mulligan
mulligan.boot()
gc.collect()
booted = gc.mem_alloc()
"""


def tables(ports: list[MicroPython]) -> Iterator[Table]:
    """One table for each port."""
    with tempfile.TemporaryDirectory(prefix="mulligan-bench-") as work:
        for mp in ports:
            yield _memory(mp, Path(work) / mp.label)


def _memory(mp: MicroPython, work: Path) -> Table:
    samples = load_samples(resource("models/golden.npz"))
    work.mkdir()
    signer, directory = keys.Signer.generate(), release.Directory(work / "releases")
    images = []
    for version in ("1.0.0", "1.1.0"):
        tflite = resource(f"models/digits-{version}.tflite").read_bytes()
        images.append(pack.pack(tflite, "digits", version, samples, []))
        directory.build(release.Order(images[-1], ["virtual"], release.Health(correct=14)))
    directory.sign("1.1.0", signer)

    def update(web: server.Server, kib: int) -> dict[str, int] | None:
        path = work / f"flash-{mp.bits}-{kib}"
        setup = provision.Setup(
            "virtual",
            ceremony.first([signer], [signer.public]),
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
            before, after = [int(line.split("n_qstr=")[1].split(",")[0]) for line in board.lines if "n_qstr=" in line]
        facts = {key: int(value) for key, value in (word.split("=") for word in line.split()[1:])}
        return {**facts, "names": after - before}

    with server.serve(directory.path) as web:
        least = most = HEAP[mp.bits] // 1024
        facts = update(web, most)
        while least > 0 and update(web, least - 4):
            least -= 4
    table = Table(title=f"heap of an update, {mp.label}, of {most} KiB", title_justify="left")
    for column in ("the runtime's share", "after boot", "most, live", "names", "least that works"):
        table.add_column(column, justify="right")
    if facts:
        table.add_row(*(str(facts[key]) for key in ("start", "booted", "peak", "names")), f"{least} KiB")
    return table
