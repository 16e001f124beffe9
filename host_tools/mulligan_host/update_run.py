"""An update of a model on a virtual board: from one version of it to the next, over TLS, signed, judged, confirmed."""

import re
import tempfile
from pathlib import Path

import numpy as np

from mulligan.tflite import loader
from mulligan_host import ceremony, keys, pack, provision, release, server
from mulligan_host.errors import HostError
from mulligan_host.micropython import MicroPython
from mulligan_host.models.run import HeapTooSmall
from mulligan_host.models.samples import Samples, input_size
from mulligan_host.models.source import ByteSource
from mulligan_host.partitions import read_csv
from mulligan_host.resources import resource
from mulligan_host.virtual import firmware, image
from mulligan_host.virtual.board import BoardError, VirtualBoard
from mulligan_host.virtual.flash import SECTOR, SIZE_4MB

_BOARD = "virtual"
_NAME = "model"
_OLD, _NEW = "1.0.0", "1.1.0"
_MAIN = b"import mulligan\nwhile True:\n    mulligan.step()\n"
_SLOT = re.compile(r"^(model_[01],.*, *)\w+,", re.MULTILINE)
_TURN = r"^mulligan: (healthy|confirmed|not-serving|waiting|refused|rolled-back) |^board: failed"
_TIMEOUT_SECONDS = 600.0


def update(model: bytes, mp: MicroPython, heap: int) -> int:
    """Update ``model`` on a new virtual board that is ``mp``, its program with ``heap`` bytes; return how many of these were free
    beside both versions.

    Mulligan is all that the program consists of: what an app takes is not in it.
    Raises: HeapTooSmall saying what became of it; HostError, MulliganError.
    """
    samples = Samples(np.zeros((1, input_size(loader.inspect(ByteSource(model)))), np.int8))
    images = [pack.pack(model, _NAME, version, samples, []) for version in (_OLD, _NEW)]
    slot = -(-len(images[0]) // SECTOR) * SECTOR
    size = SIZE_4MB + 2 * slot
    signer = keys.Signer.generate()
    with tempfile.TemporaryDirectory(prefix="mulligan-update-") as name:
        work = Path(name)
        directory = release.Directory(work / "releases")
        directory.build(release.Order(images[1], [_BOARD], release.Health(correct=0)))
        directory.sign(_NEW, signer)
        csv = work / "layout.csv"
        csv.write_text(_SLOT.sub(rf"\g<1>{slot},", resource(provision.LAYOUT).read_text(encoding="utf-8")), encoding="utf-8")
        with server.serve(directory.path) as web:
            root = ceremony.first([signer], [signer.public])
            setup = provision.Setup(_BOARD, root, images[0], web.url + "/", web.ca_der, poll_ms=200, files={"main.py": _MAIN})
            app = firmware.build(firmware.Firmware(".".join(map(str, mp.version)), mp.mpy))
            regions = provision.regions(setup, read_csv(csv, size))
            image.build_flash(work / "flash", size, csv, app, provision.files(setup), regions)
            with VirtualBoard(work / "flash", [mp], size=size, heap=heap) as board:
                board.power_on()
                return _watch(board, heap)


def _watch(board: VirtualBoard, heap: int) -> int:
    free = 0
    while True:
        try:
            line = board.wait(_TURN, _TIMEOUT_SECONDS)
        except BoardError as e:
            raise HostError(f"virtual board: {str(e).splitlines()[-1]}") from e
        if line.startswith("mulligan: confirmed "):
            return free
        left = re.match(r"mulligan: healthy .*\bheap=(\d+)", line)
        if not left:
            raise HeapTooSmall(f"an update fails in a heap of {heap} bytes: {line.removeprefix('mulligan: ')}")
        free = int(left[1])
