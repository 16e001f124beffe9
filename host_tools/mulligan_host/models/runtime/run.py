"""Runs a model over raw inputs: ``-m run MODEL INPUTS OUTPUTS STREAM FRESH PEAK``. ../run.py starts it and reads what it prints.
On a board on a cable it only defines what ../../cable_run.py works with, by the board's own package.

INPUTS and OUTPUTS hold the bytes of the tensors back to back. STREAM: the most bytes that are read from MODEL at a time.
FRESH: 1 to start each vector from the model's first state. PEAK: 1 to run the first vector only, and collect garbage at each
read to see how much of the heap is alive. The heap that this runs in is the one that is measured: nothing is imported or kept
here that running a model would not take: not even the functions of the package mulligan.
"""

import gc
import sys
from time import ticks_diff, ticks_us

gc.threshold(4096)  # as the device does before anything else: see mulligan/__init__.py


class Package:
    """In place of mulligan/__init__.py, which is for a device in service: where the modules lie, and no more."""

    __path__ = "p/mulligan"


if __name__ == "__main__":
    sys.modules["mulligan"] = Package()  # type: ignore[assignment]
from mulligan.tflite.interpreter import Interpreter  # noqa: E402


class Source:
    """The model as the interpreter reads flash. reads, bytes: counted; peak: the most heap in use at a read, if asked for."""

    def __init__(self, path, most, peak):
        self.file = open(path, "rb")
        self.size = self.file.seek(0, 2)
        self.most = most
        self.reads = self.bytes = 0
        self.peak = peak

    def readinto(self, at, buf):
        if self.peak:
            gc.collect()
            self.peak = max(self.peak, gc.mem_alloc())
        self.file.seek(at)
        n = len(buf)
        self.bytes += n
        if n <= self.most:
            self.reads += 1
            self.file.readinto(buf)
        else:
            for i in range(0, n, self.most):
                self.reads += 1
                self.file.readinto(memoryview(buf)[i : i + self.most])


def main():
    stream, fresh, peak = [int(value) for value in sys.argv[4:]]
    source = Source(sys.argv[1], stream, peak)
    i = open(sys.argv[2], "rb")
    o = open(sys.argv[3], "wb")
    engine = Interpreter(source)
    info = engine.describe()
    load = source.reads, source.bytes
    reads = size = us = n = 0
    while i.readinto(engine.input(0)):
        for k in range(1, len(info.inputs)):
            i.readinto(engine.input(k))
        source.reads = source.bytes = 0
        t = ticks_us()
        engine.invoke()
        us += ticks_diff(ticks_us(), t)
        reads += source.reads
        size += source.bytes
        n += 1
        for k in range(len(info.outputs)):
            o.write(engine.output(k))
        if source.peak:
            break
        if fresh:
            engine.reset()
    print(n, us, reads, size, load[0], load[1], source.peak)


if __name__ == "__main__":
    main()
