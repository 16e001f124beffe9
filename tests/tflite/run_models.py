"""Run many models over raw inputs on MicroPython: ``run_models.py PACKAGE PACK OUTPUTS``.

PACK holds, for each model, four little-endian u32s (bytes of the model, bytes of the inputs, 1 if they are one sequence of a
model that remembers, 1 if it is to be in memory) and then both; the outputs are written back to back. Prints how many models
ran, and the kernels. Where they are in viper, every inference but a model's first runs with the heap locked.
"""

import sys


class Part:
    """The source of a model that is a part of an open file; allocates nothing."""

    def __init__(self, file, at, size):
        self._file = file
        self._at = at
        self.size = size

    def readinto(self, offset, buf):
        self._file.seek(self._at + offset)
        if offset + len(buf) > self.size or self._file.readinto(buf) != len(buf):
            raise OSError(5)


def run(source, inputs, memory, write, lock, kernel):
    """Feed a model ``inputs``, back to back, and ``write`` its outputs; ``lock``: the module with `heap_lock`, or None."""
    from mulligan.tflite.interpreter import Interpreter

    model = Interpreter(source, None, None, kernel)
    info = model.describe()
    at = 0
    first = True
    while at < len(inputs):
        if not memory:
            model.reset()
        for i in range(len(info.inputs)):
            x = model.input(i)
            x[:] = inputs[at : at + len(x)]
            at += len(x)
        if lock and not first:
            lock.heap_lock()
        try:
            model.invoke()
        finally:
            if lock and not first:
                lock.heap_unlock()
        first = False
        for i in range(len(info.outputs)):
            write(model.output(i))


def main(package, pack, outputs):
    import struct

    sys.path[:] = [package, ".frozen"]
    from mulligan.tflite import kernels

    native = kernels.get("int8").__name__.endswith("_viper")
    lock = __import__("micropython") if native else None
    done = 0
    with open(pack, "rb") as file, open(outputs, "wb") as out:
        file.seek(0, 2)
        end = file.tell()
        at = 0
        while at < end:
            file.seek(at)
            size, n, memory, mapped = struct.unpack("<4I", file.read(16))
            source = Part(file, at + 16, size)
            if mapped:
                source.view = memoryview(file.read(size))
            file.seek(at + 16 + size)
            inputs = file.read(n)
            run(source, inputs, memory, out.write, lock, kernels.get)
            at += 16 + size + n
            done += 1
    print(done, "viper" if native else "plain")


if __name__ == "__main__":
    main(*sys.argv[1:])
