"""Running vectors through a model on a board on a cable, by the package that is on it.

The model is a file in ``vfs`` meanwhile. Partitions are only read: no slot, no journal.
"""

import contextlib
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator
from contextlib import contextmanager

from mulligan_host.desk import board, install
from mulligan_host.desk.link import DeviceError, Link
from mulligan_host.errors import HostError
from mulligan_host.models.run import RUNTIME, Job, Run
from mulligan_host.models.samples import output_size, size

MODEL = "/mulligan-run.tmp"
"""The model, on the board."""
_SPARE_BLOCKS = 3  # for the directory, and for the pointers of a large file
_PIECE = 1024  # bytes of a tensor that go over the cable at a time
_WORK_SECONDS = 600.0  # without a byte, while the model is loaded or run
# Not as a program: it only defines.
_RUNTIME = f"""__name__ = "run"
{(RUNTIME / "run.py").read_text(encoding="utf-8")}
from binascii import a2b_base64, b2a_base64
"""
_LOAD = """
source = Source({path!r}, {stream}, 1)
engine = Interpreter(source)
print(source.reads, source.bytes)
"""
_RUN = """
source.reads = source.bytes = 0
t = ticks_us()
engine.invoke()
print(ticks_diff(ticks_us(), t), source.reads, source.bytes)
"""
_PEAK = """
engine.invoke()
engine.reset()
print(source.peak)
source.peak = 0
print(gc.mem_alloc() + gc.mem_free())
found = sys.modules["mulligan.tflite.kernels"]._found.values()
print(int(any(kernel.__name__.endswith("_viper") for kernel in found)))
"""
# And what has not arrived whole, under a name that begins with it.
_REMOVE = f"""
import os
for name in os.listdir("/"):
    if ("/" + name).startswith({MODEL!r}):
        os.remove("/" + name)
"""


def on_cable(job: Job, link: Link, progress: install.Progress) -> Run:
    """Run on the board at the other end of ``link``, in the heap that it has after a soft reset; its clock is its own.

    Raises: HostError where Mulligan is not there, a version is on trial, or vfs has no room; DeviceError.
    """
    link.enter(soft_reset=False)
    kept = board.journal(link)
    if kept and kept.state.on_trial():
        raise HostError(f"{link.port}: a version is on trial there: wait for its end (mulligan board status)")
    _require_mulligan(link)
    with _copied(link, job.model, progress):
        link.enter(soft_reset=True)  # for a heap without what has copied it
        link.execute(_RUNTIME)
        load_reads, load_bytes = _numbers(link, _LOAD.format(path=MODEL, stream=job.stream))
        _feed(link, job, job.inputs[0])
        peak, heap, viper = _numbers(link, _PEAK)
        outputs = bytearray()
        totals = [0, 0, 0]
        for done, vector in enumerate(job.inputs):
            if job.fresh:
                link.execute("engine.reset()")
            _feed(link, job, vector)
            taken = _numbers(link, _RUN)
            totals = [total + one for total, one in zip(totals, taken, strict=True)]
            outputs += _outputs(link, job)
            progress("running", done + 1, len(job.inputs))
    us, reads, bytes_read = totals
    counts = reads, bytes_read, load_reads, load_bytes
    return Run(bytes(outputs), "viper" if viper else "plain", us * 1000, "wall", *counts, peak, heap)


def _require_mulligan(link: Link) -> None:
    try:
        link.execute("import mulligan")
    except DeviceError as e:
        if "no module named 'mulligan" in str(e):
            raise HostError(f"{link.port}: Mulligan is not on this board: mulligan board install") from None
        raise


@contextmanager
def _copied(link: Link, model: bytes, progress: install.Progress) -> Iterator[None]:
    """``model`` is the file MODEL inside of this, and gone after it, whatever happens on the board."""
    link.execute(_REMOVE)  # of a run whose cable was pulled
    seen = board.look(link)
    missing = (-(-len(model) // seen.block) + _SPARE_BLOCKS - seen.free) * seen.block
    if missing > 0:
        raise HostError(f"{link.port}: vfs has {-(-missing // 1024)} KiB too little free for this model: remove files")
    try:
        install.copy(link, {MODEL: model}, progress)
        yield
    except BaseException:
        with contextlib.suppress(HostError):  # a lost cable: what happened first says why
            _remove(link)
        raise
    _remove(link)


def _remove(link: Link) -> None:
    link.enter(soft_reset=False)  # whatever the board is in the middle of
    link.execute(_REMOVE)


def _feed(link: Link, job: Job, vector: bytes) -> None:
    """Fill the inputs."""
    for k, port in enumerate(job.info.inputs):
        tensor, vector = vector[: size(port)], vector[size(port) :]
        for at in range(0, len(tensor), _PIECE):
            piece = tensor[at : at + _PIECE]
            link.execute(f"engine.input({k})[{at}:{at + len(piece)}] = a2b_base64({b2a_base64(piece, newline=False)!r})")


def _outputs(link: Link, job: Job) -> bytes:
    """What is in the outputs. Raises: HostError."""
    found = bytearray()
    for k, port in enumerate(job.info.outputs):
        for at in range(0, size(port), _PIECE):
            said = link.execute(f"print(b2a_base64(engine.output({k})[{at}:{at + _PIECE}]).decode())")
            try:
                found += a2b_base64(said)
            except ValueError:
                raise link.garbled() from None
    if len(found) != output_size(job.info):
        raise link.garbled()
    return bytes(found)


def _numbers(link: Link, code: str) -> list[int]:
    """The numbers that ``code`` prints."""
    said = link.execute(code, _WORK_SECONDS)
    try:
        return [int(word) for word in said.split()]
    except ValueError:
        raise link.garbled() from None
