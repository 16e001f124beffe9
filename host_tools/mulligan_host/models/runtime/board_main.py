"""main.py of a board that runs a model over raw inputs. ../../board_run.py provisions it and reads what it prints.

The model is in the slot image of the first model slot, and runs as it does in service: read from the partition, in Serving's
arena, by the builtin engine. The inputs are in the file ``inputs``, back to back. Each vector's outputs are printed in base64,
and last the counts.
"""

import gc
import json
from binascii import b2a_base64
from collections import namedtuple

from mulligan import settle
from mulligan.port import partitions, system
from mulligan.serving import Serving

_LINE = 512  # bytes of output on one line of the console

# What Serving wants to know of a `state.Image`.
Image = namedtuple("Image", ("length", "version"))


class Counted:
    """A Region that counts its reads, of at most ``most`` bytes, and notes the heap in use at each while ``watch`` is set."""

    def __init__(self, region, chip, most):
        self._region = region
        self._chip = chip
        self._most = most
        self.size = region.size
        self.reads = self.bytes = 0
        self.watch = True

    def readinto(self, offset, buf):
        if self.watch:
            self._chip.sample_heap()
        self.bytes += len(buf)
        if len(buf) <= self._most:
            self.reads += 1
            self._region.readinto(offset, buf)
            return
        for at in range(0, len(buf), self._most):
            self.reads += 1
            self._region.readinto(offset + at, memoryview(buf)[at : at + self._most])


def main():
    with open("job.json") as f:
        job = json.load(f)
    gc.threshold(4096)
    settle.settle()
    chip, clock = system.System(), system.Clock()
    region = Counted(partitions.model_pairs()[0][0], chip, job["stream"])
    serving = Serving(chip.work)
    serving.engine = "builtin"
    image = Image(job["size"], "1.0.0")
    engine = serving.load(region, image)[1].engine
    info = engine.describe()
    load = region.reads, region.bytes
    reads = size = us = n = 0
    with open("inputs", "rb") as inputs:
        while inputs.readinto(engine.input(0)):
            for k in range(1, len(info.inputs)):
                inputs.readinto(engine.input(k))
            region.reads = region.bytes = 0
            started = clock.ticks_us()
            engine.invoke()
            us += clock.elapsed_us(started)
            reads += region.reads
            size += region.bytes
            n += 1
            region.watch = False
            for k in range(len(info.outputs)):
                output = engine.output(k)
                for at in range(0, len(output), _LINE):
                    print("out", b2a_base64(output[at : at + _LINE]).decode().strip())
            print("done", n)
            if job["fresh"]:
                engine.reset()
    print("counts", n, us, reads, size, load[0], load[1], chip.heap_peak)


main()
