"""Running vectors through a model on a virtual board: by the device's own code, from the flash partition to the engine.

The program that runs there, models/runtime/board_main.py, asks nothing of the board that a real one has not got.
"""

import json
import re
import tempfile
from binascii import a2b_base64
from pathlib import Path

from mulligan.core import slot
from mulligan_host.errors import HostError
from mulligan_host.micropython import MicroPython
from mulligan_host.models.engine import Progress
from mulligan_host.models.run import RUNTIME, HeapTooSmall, Job, Run
from mulligan_host.models.samples import input_size, output_size
from mulligan_host.virtual import firmware, image
from mulligan_host.virtual.board import VirtualBoard
from mulligan_host.virtual.flash import SECTOR

# The real subtypes and labels, but slots as large as the model wants, and a vfs as large as the inputs want.
_LAYOUT = """
nvs, data, nvs, 0x9000, 0x4000
otadata, data, ota, 0xd000, 0x2000
ota_0, app, ota_0, 0x10000, 0x10000
model_0, 0x40, 0x10, , {slot}
model_1, 0x40, 0x10, , {slot}
vfs, data, fat, , {vfs}
"""
_BEFORE_SLOTS = 0x20000
_VFS_SPARE = 1 << 17
_MOST_FLASH = 64 << 20
_TIMEOUT_SECONDS = 3600.0
_NO_MEMORY = "MemoryError|NoMemory|board: MicroPython"
_LAST = rf"^counts |^(board: failed|board: no app|\w+Error|{_NO_MEMORY})"


def on_virtual_board(job: Job, mp: MicroPython, heap: int, progress: Progress) -> Run:
    """Run on a new virtual board that is ``mp``, its program with ``heap`` bytes of heap.

    ``Run.ns`` is time of the virtual clock: counted operations, not a measurement.
    Raises: HeapTooSmall; HostError, also for more inputs than a board's flash holds.
    """
    expected = bytes(output_size(job.info))  # a slot image has golden vectors; this one is not on trial
    vectors = [(bytes(input_size(job.info)), expected, None)]
    content = slot.build("model", "1.0.0", job.model, job.info.arena, vectors, [], sorted(set(job.info.ops)))
    inputs = b"".join(job.inputs)
    slot_size = _sectors(len(content))
    vfs_size = _sectors(len(inputs) * 9 // 8 + _VFS_SPARE)
    size = _BEFORE_SLOTS + 2 * slot_size + vfs_size
    if size > _MOST_FLASH:
        raise HostError(f"{len(inputs)} bytes of inputs do not fit a board's flash: run fewer vectors at a time")
    described = {"size": len(content), "fresh": job.fresh, "stream": job.stream}
    program = {"boot.py": b"", "main.py": (RUNTIME / "board_main.py").read_bytes()}
    with tempfile.TemporaryDirectory(prefix="mulligan-run-") as directory:
        path, csv = Path(directory) / "flash", Path(directory) / "layout.csv"
        csv.write_text(_LAYOUT.format(slot=slot_size, vfs=vfs_size), encoding="utf-8")
        stock = firmware.build(firmware.Firmware(".".join(map(str, mp.version)), mp.mpy))
        vfs = {**program, "job.json": json.dumps(described).encode(), "inputs": inputs}
        image.build_flash(path, size, csv, stock, vfs, {"model_0": content})

        def watch(line: str) -> None:
            if line.startswith("done "):
                progress(int(line[len("done ") :]))

        with VirtualBoard(path, [mp], size=size, heap=heap, on_line=watch) as board:
            board.power_on()
            last = board.wait(
                r"^counts |^board: (failed|MicroPython|no app)|^[A-Z]\w*Error|^NoMemory|at the REPL", _TIMEOUT_SECONDS
            )
            lines = board.lines
    if not last.startswith("counts "):
        if re.match(_NO_MEMORY, last):
            raise HeapTooSmall(f"a heap of {heap} bytes is too small for this model on a board ({last})")
        raise HostError(f"virtual board: {last}")
    n, us, reads, bytes_read, load_reads, load_bytes, peak = map(int, last.split()[1:])
    outputs = b"".join(a2b_base64(line[len("out ") :]) for line in lines if line.startswith("out "))
    if n != len(job.inputs) or len(outputs) != n * output_size(job.info):
        raise HostError(f"virtual board: {n} of {len(job.inputs)} vectors gave {len(outputs)} bytes")
    counts = reads, bytes_read, load_reads, load_bytes
    return Run(outputs, "viper" if mp.arch else "plain", us * 1000, "virtual", *counts, peak, heap)


def _sectors(size: int) -> int:
    return -(-size // SECTOR) * SECTOR
