"""Damage models and try them, many in one process: ``fuzz_models.py PACKAGE PACK FIRST COUNT WORK``.

PACK holds, for each model, two little-endian u32s (its bytes, the number of its fields), the model, and a u32 for each field: the
position of something that loading reads. Mutants FIRST and on are made from their number alone, so one can be made again. Only
ModelError may come out; one that loads is run, if that is at most WORK operations, twice, in an arena with a guard behind it.
Prints how many were tried and how many of them ran. What else happens ends the process with the mutant's number.
"""

import random
import struct
import sys

GUARD = 64
#: Most reads of a model, by loading and two inferences: bounds the time that a mutant takes.
READS = 100000
PASSES = (
    "names graph once ops.conv ops.depthwise ops.dense ops.elementwise ops.lookup ops.lstm ops.mean ops.move ops.pool "
    "ops.quantise ops.reshape ops.slide ops.softmax ops.svdf ops.variables plan states opnames layers memory recurrent_load "
    "recurrent"
)
_EXTREMES = [struct.pack("<I", v) for v in (0xFFFFFFFF, 0x7FFFFFFF, 0, 0x80000000, 1, 0x10000, 0x100, 0x7F800000)]


class Source:
    """A model in memory, as strict as flash."""

    def __init__(self, data):
        self.data = data
        self.view = None
        self.size = len(data)
        self.reads = 0

    def map(self, mapped):
        """Have it used in place from now on, or read."""
        self.view = memoryview(self.data)[: self.size] if mapped else None

    def readinto(self, offset, buf):
        n = len(buf)
        if not 0 <= offset <= offset + n <= self.size:
            raise AssertionError("read of %d at %d of %d" % (n, offset, self.size))
        self.reads += 1
        if self.reads > READS:
            raise AssertionError("more than %d reads" % READS)
        buf[:] = self.data[offset : offset + n]


def damage(source, fields, others):
    """Change a model in one to four places; returns what undoes it: [(position, bytes)]."""
    data = source.data
    undo = []
    for _ in range(1 + (random.getrandbits(2) & random.getrandbits(2))):
        kind = random.getrandbits(4)
        at = random.getrandbits(24) % len(data)
        field = fields[random.getrandbits(20) % len(fields)]
        if kind < 2:
            new = bytes([data[at] ^ 1 << random.getrandbits(3)])
        elif kind < 3:
            new = bytes([random.getrandbits(8)])
        elif kind < 6:
            at = field
            new = _EXTREMES[random.getrandbits(3)]
        elif kind < 9:
            at = field
            new = struct.pack("<I", (struct.unpack_from("<I", data, at)[0] + random.getrandbits(3) - 4) & 0xFFFFFFFF)
        elif kind < 11:  # a field becomes another one
            at = field
            other = fields[random.getrandbits(20) % len(fields)]
            new = bytes(data[other : other + 4])
        elif kind < 13:
            at = field
            new = bytes([random.getrandbits(random.getrandbits(3) + 1)])
        elif kind < 14:  # a piece of another model
            other = others[random.getrandbits(10) % len(others)]
            n = 4 << random.getrandbits(3)
            at &= -4
            start = random.getrandbits(20) % len(other) & -4
            new = bytes(other[start : start + n])
        elif kind < 15:  # two fields change places
            at = field
            other = fields[random.getrandbits(20) % len(fields)]
            new = bytes(data[other : other + 4])
            undo.append((other, bytes(data[other : other + 4])))
            data[other : other + 4] = data[at : at + 4]
        elif random.getrandbits(2):
            at = field
            new = bytes([data[at] ^ 1 << random.getrandbits(3)])
        else:
            source.size = at
            continue
        new = new[: len(data) - at]
        undo.append((at, bytes(data[at : at + len(new)])))
        data[at : at + len(new)] = new
    return undo


def attempt(source, work, lib):
    """Look, load and run; whether it ran."""
    inspect, Interpreter, ModelError, most = lib
    source.reads = 0
    try:
        info = inspect(source)
        assert info.arena <= most, "an arena of %d" % info.arena
        if info.macs > work or info.arena > 65536:
            return False
        arena = bytearray(b"\xa5" * (info.arena + GUARD))
        model = Interpreter(source, arena)
    except ModelError:
        return False
    for fill in (0x80, 0x7F):
        for i in range(len(info.inputs)):
            x = model.input(i)
            for j in range(min(64, len(x))):
                x[j] = fill
        model.invoke()
    model.reset()
    for i in range(info.arena, info.arena + GUARD):
        assert arena[i] == 0xA5, "written behind the arena"
    return True


def load(pack):
    """[(model, positions of fields)]"""
    found = []
    at = 0
    while at < len(pack):
        size, count = struct.unpack_from("<2I", pack, at)
        at += 8
        data = bytearray(pack[at : at + size])
        at += size
        fields = [i for i in struct.unpack_from("<%dI" % count, pack, at) if i + 4 <= size]
        at += 4 * count
        found.append((data, fields))
    return found


def fuzz(pack, first, count, work, lib):
    """(mutants tried, of which ran)"""
    models = load(pack)
    sources = [(Source(data), fields) for data, fields in models]
    others = [bytes(data) for data, _ in models]
    ran = 0
    for number in range(first, first + count):
        random.seed(number)
        source, fields = sources[random.getrandbits(16) % len(sources)]
        undo = damage(source, fields, others)
        source.map(number & 1)
        try:
            ran += attempt(source, work, lib)
        except Exception:
            print("mutant", number)
            raise
        source.size = len(source.data)
        while undo:
            at, old = undo.pop()
            source.data[at : at + len(old)] = old
    return count, ran


class _Never:
    """In place of the module gc: collecting after each operator is for small heaps, and takes most of a mutant's time."""

    @staticmethod
    def collect():
        pass


def library():
    """What `attempt` needs, imported for good, so that loading borrows nothing."""
    from mulligan.core.errors import ModelError
    from mulligan.tflite import interpreter, limits, loader

    for name in PASSES.split():
        __import__("mulligan.tflite." + name)
    return loader.inspect, interpreter.Interpreter, ModelError, limits.MAX_ARENA


def main(package, pack, first, count, work):
    sys.path[:] = [package, ".frozen"]
    lib = library()
    sys.modules["mulligan.borrow"].gc = _Never
    with open(pack, "rb") as f:
        print(*fuzz(f.read(), int(first), int(count), int(work), lib))


if __name__ == "__main__":
    main(*sys.argv[1:])
