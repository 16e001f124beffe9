"""Running vectors through a model, here or on a MicroPython port, and what that took."""

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mulligan.core import errors
from mulligan.tflite import interpreter
from mulligan_host.build import build_package
from mulligan_host.errors import HostError
from mulligan_host.micropython import MicroPython
from mulligan_host.models.engine import Engine, Progress
from mulligan_host.models.samples import output_size

RUNTIME = Path(__file__).parent / "runtime"
STREAM = 4096
"""Bytes that are read from a model at a time, at most, unless told."""
_MOST_HEAP = 64 << 20
_FINEST = 1024
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Job:
    """``inputs`` for a ``model``, one vector each. ``stream``: most bytes of a read; ``fresh``: each vector from a new state."""

    model: bytes
    info: interpreter.Info
    inputs: Sequence[bytes]
    stream: int = STREAM
    fresh: bool = False


@dataclass(frozen=True)
class Run:
    """The ``outputs`` of each vector, and what they took."""

    outputs: bytes
    kernels: str
    ns: int
    """Of all inferences together, on the ``clock``: "wall", or "virtual" where time is counted work."""
    clock: str
    reads: int
    bytes_read: int
    """By all inferences together."""
    load_reads: int
    load_bytes: int
    peak_heap: int | None
    """The most bytes of the heap in use at a read while the model is loaded and run once; None on CPython."""
    heap: int | None
    """All the bytes of the heap that it ran in; None on CPython."""


class HeapTooSmall(HostError):
    """The heap of a port that a model does not run in."""


def on_host(job: Job, progress: Progress) -> Run:
    """Run in this process. Raises: ModelError."""
    engine = Engine(job.model, job.stream)
    outputs = bytearray()
    for done, vector in enumerate(job.inputs):
        if job.fresh and done:
            engine.reset()
        outputs += engine.infer(vector)
        progress(done + 1)
    source = engine.source
    counts = source.reads, source.bytes_read, engine.load_reads, engine.load_bytes
    return Run(bytes(outputs), "numpy", engine.ns, "wall", *counts, None, None)


def on_port(job: Job, mp: MicroPython, heap: int, progress: Progress) -> Run:
    """Run in a process of ``mp`` with ``heap`` bytes of heap in all: code, runner and runtime included.

    Raises: HeapTooSmall naming the least that works; HostError.
    """
    with _Port(job, mp) as port:
        try:
            facts, outputs = port.run(job.inputs, heap, progress)
        except HeapTooSmall as e:
            least = port.least(heap)
            raise HeapTooSmall(f"{e}; the least that works for it on {mp.label} is {least // 1024}k") from e
        _, us, reads, size, load_reads, load_bytes, _ = facts
        peak = port.run(job.inputs[:1], 2 * heap, peak=True)[0][-1]
        kernels = "viper" if mp.arch else "plain"
        return Run(outputs, kernels, us * 1000, "wall", reads, size, load_reads, load_bytes, peak, heap)


class _Port:
    """A job on a port: a context manager that keeps its files in a directory of its own."""

    def __init__(self, job: Job, mp: MicroPython) -> None:
        self._job = job
        self._mp = mp
        # Short, as on the chip: a port keeps the path of each module in its heap.
        self._environment = {**os.environ, "MICROPYPATH": "r:p"}

    def __enter__(self) -> "_Port":
        self._directory = tempfile.TemporaryDirectory(prefix="mulligan-run-")
        self._work = Path(self._directory.name)
        (self._work / "model").write_bytes(self._job.model)
        (self._work / "r").symlink_to(build_package(self._mp, RUNTIME))
        (self._work / "p").symlink_to(build_package(self._mp))
        return self

    def __exit__(self, *_: object) -> None:
        self._directory.cleanup()

    def run(
        self, inputs: Sequence[bytes], heap: int, progress: Progress | None = None, peak: bool = False
    ) -> tuple[list[int], bytes]:
        """Return what run.py prints, and the outputs. Raises: HeapTooSmall, HostError."""
        (self._work / "inputs").write_bytes(b"".join(inputs))
        output = self._work / "outputs"
        output.write_bytes(b"")
        flags = (str(self._job.stream), str(int(self._job.fresh)), str(int(peak)))
        command = self._mp.command("-m", "run", "model", "inputs", "outputs", *flags, heap=str(heap))
        with subprocess.Popen(
            command,
            env=self._environment,
            cwd=self._work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            try:
                while True:
                    try:
                        said = process.communicate(timeout=_POLL_SECONDS)[0]
                        break
                    except subprocess.TimeoutExpired:
                        if progress:
                            progress(output.stat().st_size // output_size(self._job.info))
            finally:
                process.kill()
        self._check(said, process.returncode, heap)
        outputs = output.read_bytes()
        facts = [int(word) for word in said.split()]
        if facts[0] * output_size(self._job.info) != len(outputs) or facts[0] not in (1, len(inputs)):
            raise HostError(f"{self._mp.label}: {facts[0]} of {len(inputs)} vectors gave {len(outputs)} bytes: no room to write?")
        return facts, outputs

    def least(self, heap: int) -> int:
        """Return the least heap, in whole KiB, that one vector runs in, given that ``heap`` bytes are not enough."""
        low, high = heap, _MOST_HEAP
        while high - low > _FINEST:
            middle = (low + high) // 2 // _FINEST * _FINEST
            if middle <= low:
                break
            try:
                self.run(self._job.inputs[:1], middle)
                high = middle
            except HeapTooSmall:
                low = middle
        return high

    def _check(self, said: str, code: int, heap: int) -> None:
        if not code:
            return
        last = (said.strip().splitlines() or [""])[-1]
        name, _, message = last.partition(": ")
        if name in ("MemoryError", "NoMemory") or code < 0 or not re.fullmatch(r"\w+", name):
            raise HeapTooSmall(f"a heap of {heap} bytes is too small for this model")
        error = getattr(errors, name, None)
        if isinstance(error, type) and issubclass(error, errors.MulliganError):
            raise error(message)
        raise HostError(f"{self._mp.label}: {last}")
