"""The device's interpreter on the host, with NumPy's kernels: a model in memory, vectors in, vectors out."""

import time
from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from mulligan.tflite import interpreter
from mulligan_host.models import kernels
from mulligan_host.models.source import ByteSource

Progress = Callable[[int], None]
"""Told how many vectors are done."""


class Engine:
    """One model, ready to run. ``stream``: the most bytes of it that are read at a time. Raises: ModelError.

    ``meter`` is told of the work of each step; ``kernel`` finds a kernel's module, NumPy's unless told. ``ns``: nanoseconds of
    all inferences so far; ``source`` counts what they read.
    """

    def __init__(
        self,
        model: bytes,
        stream: int | None = None,
        meter: Callable[[int], None] | None = None,
        kernel: Callable[[str], ModuleType] = kernels.get,
    ) -> None:
        self.source = ByteSource(model, stream)
        self._kernel = kernel
        self.ns = 0
        self._meter = meter
        self._engine = self._new()
        self.load_reads, self.load_bytes = self.source.reads, self.source.bytes_read
        self.source.reads = self.source.bytes_read = 0

    @property
    def info(self) -> interpreter.Info:
        """What the model is."""
        info: interpreter.Info = self._engine.describe()
        return info

    def reset(self) -> None:
        """Go back to the state that the model begins with; what that reads is not counted."""
        counted = self.source.reads, self.source.bytes_read
        self._engine.reset()
        self.source.reads, self.source.bytes_read = counted

    def _new(self) -> interpreter.Interpreter:
        return interpreter.Interpreter(self.source, None, self._meter, self._kernel)

    def infer(self, vector: bytes) -> bytes:
        """Return the outputs for one vector of inputs."""
        at = 0
        for i in range(len(self.info.inputs)):
            given = self._engine.input(i)
            given[:] = vector[at : at + len(given)]
            at += len(given)
        started = time.perf_counter_ns()
        self._engine.invoke()
        self.ns += time.perf_counter_ns() - started
        return b"".join(bytes(self._engine.output(i)) for i in range(len(self.info.outputs)))

    def infer_all(self, vectors: Sequence[bytes], progress: Progress | None = None) -> NDArray[np.int8]:
        """Return the outputs of each vector, one row each, run in order."""
        rows = []
        for done, vector in enumerate(vectors, 1):
            rows.append(np.frombuffer(self.infer(vector), np.int8))
            if progress:
                progress(done)
        return np.stack(rows)
