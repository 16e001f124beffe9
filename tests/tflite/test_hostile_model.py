"""Models from an enemy: only ModelError (Unsupported is one) may come out, and what loads must run."""

import sys

from common import raises
from mulligan.core.errors import ModelError, Unsupported
from mulligan.tflite import graph
from mulligan.tflite.interpreter import Interpreter
from mulligan.tflite.limits import MAX_ARENA
from mulligan.tflite.loader import inspect
from tflite.models import DATA, BytesSource, Random, load

NAMES = ("classifier", "conv_same_s2_none", "depthwise_multiplier", "dense_per_tensor", "average_pool", "softmax_rows")
WORK = 200000  # multiply-accumulates that a survivor is run for, at most
BIG = 16384
EXTREMES = b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", bytes(4), b"\0\0\0\x80"

# The plain kernels, which are all that CPython has, take a hundred times as long; the ports try the same and more.
MUTATIONS = 60 if sys.implementation.name == "micropython" else 12


def attempt(data):
    """Load and run; whether that was possible."""
    source = BytesSource(data)
    try:
        info = inspect(source)
        assert info.arena <= MAX_ARENA
        if info.macs > WORK:
            return False
        model = Interpreter(source)
    except ModelError:
        return False
    Random(1).fill(model.input(0))
    model.invoke()
    assert len(bytes(model.output(0))) > 0
    return True


def test_truncated():
    for name in NAMES:
        data = load(DATA + name + ".tflite")
        assert attempt(data)
        for n in range(0, len(data), 29):
            attempt(data[:n])


def test_mutated():
    random = Random(31)
    survivors = 0
    for name in NAMES:
        data = load(DATA + name + ".tflite")
        for _ in range(MUTATIONS):
            bad = bytearray(data)
            for _ in range(random.between(1, 3)):
                i = random.below(len(bad))
                kind = random.below(4)
                if kind == 0:
                    bad[i] ^= 1 << random.below(8)
                elif kind == 1:
                    bad[i] = random.bits() & 255
                elif kind == 2:
                    bad[i & -4 : (i & -4) + 4] = EXTREMES[random.below(4)]
                else:
                    j = random.below(len(bad) - 4) & -4
                    bad[i & -4 : (i & -4) + 4] = bad[j : j + 4]
            survivors += attempt(bytearray(bad[: len(data)]))
    assert survivors > MUTATIONS // 2


def test_not_models():
    for data in (b"", b"TFL3", bytes(64), b"\xff" * 64, b"\x10\0\0\0TFL3" + b"\xff" * 60, b"\x04\0\0\0TFL3" + bytes(60)):
        raises(ModelError, inspect, BytesSource(data))
        raises(ModelError, Interpreter, BytesSource(data))


class Edited:
    """A model to be damaged at known places."""

    def __init__(self, name):
        self.data = load(DATA + name + ".tflite")
        self.graph = graph.Graph(BytesSource(self.data))
        self.reader = self.graph.reader

    def operator(self, i):
        """Position of an operator's table."""
        return self.reader.table(self.graph._ops + 4 * i)

    def options(self, i):
        """Position of the table of an operator's options."""
        return self.reader.child(self.operator(i), 4)

    def tensor(self, index):
        """Position of a tensor's table."""
        return self.reader.table(self.graph._tensors + 4 * index)

    def put(self, at, value):
        """Write a 32-bit value; a copy of the result as a source."""
        copy = bytearray(self.data)
        for i in range(4):
            copy[at + i] = value >> 8 * i & 255
        return BytesSource(copy)

    def refuses(self, at, value, error=ModelError):
        source = self.put(at, value)
        e = raises(error, Interpreter, source)
        assert str(e)
        return str(e)


def test_shapes_that_lie():
    m = Edited("conv_same_s2_none")
    op = m.graph.op(0)
    for index in (op.inputs[0], op.inputs[1], op.inputs[2], op.outputs[0]):
        at, rank = m.reader.vector(m.tensor(index), 0, 4)
        for i in range(rank):
            for value in (0, -1, 1000, 0x7FFFFFFF, m.reader.i32(at + 4 * i) + 3):
                m.refuses(at + 4 * i, value)
        m.refuses(at - 4, 7)
        m.refuses(at - 4, 0x40000000)


def test_constants_of_the_wrong_length():
    for name in ("conv_same_s2_none", "depthwise_multiplier", "dense_per_tensor"):
        m = Edited(name)
        for index in m.graph.op(0).inputs[1:]:
            t = m.graph.tensor(index)
            for size in (0, 1, t.bytes - 1, t.bytes + 1, 0x7FFFFFFF, 0xFFFFFFFF):
                m.refuses(t.data - 4, size)
            for count in (0, t.scales + 1, 0x20000000):
                if index == m.graph.op(0).inputs[1]:
                    m.refuses(t.scale_at - 4, count)
            for bits in (0, 0x80000000, 0x7F800000, 0xFFC00000, 0x00000001):
                if index == m.graph.op(0).inputs[1]:
                    m.refuses(t.scale_at, bits)


def test_weights_with_a_zero_point():
    m = Edited("conv_same_s2_none")
    zeros, _ = m.reader.vector(m.reader.child(m.tensor(m.graph.op(0).inputs[1]), 4), 3, 8)
    assert "zero point" in m.refuses(zeros + 8, 1, Unsupported)
    m.refuses(zeros + 4, 1)


def test_indices_out_of_range():
    m = Edited("classifier")
    for op in range(m.graph.op_count):
        t = m.operator(op)
        for field in (1, 2):
            at, count = m.reader.vector(t, field, 4)
            for i in range(count):
                for value in (-2, m.graph.tensor_count, 0x7FFFFFFF, m.graph.outputs[0]):
                    if value != m.reader.i32(at + 4 * i):
                        m.refuses(at + 4 * i, value)
            m.refuses(at - 4, 9)


def test_graph_that_bites_its_tail():
    m = Edited("dense")
    inputs, outputs = [m.reader.vector(m.operator(0), field, 4)[0] for field in (1, 2)]
    m.refuses(inputs, m.graph.op(1).outputs[0])  # reads what comes later
    m.refuses(inputs, m.graph.op(0).outputs[0])  # reads what it writes
    m.refuses(outputs, m.graph.inputs[0])  # writes the model's input
    m.refuses(outputs, m.graph.op(1).outputs[0])  # two write one tensor


def test_unsupported_is_named():
    m = Edited("conv_same_s2_none")
    root = m.reader.table(0)
    code = m.reader.table(m.reader.vector(root, 1, 4)[0])
    data = m.data
    data[m.reader.field(code, 0, 1)] = 0
    at = m.reader.field(code, 3, 4)
    assert "GATHER" in m.refuses(at, 36, Unsupported)
    assert "CUSTOM" in m.refuses(at, 32, Unsupported)
    assert "9999" in m.refuses(at, 9999, Unsupported)
    m = Edited("conv_same_s2_none")
    x = m.tensor(m.graph.inputs[0])
    m.data[m.reader.field(x, 1, 1)] = 7
    assert "INT16" in str(raises(Unsupported, Interpreter, BytesSource(m.data)))


def test_options_that_lie():
    for name, fields, values in (
        ("conv_same_s2_none", (1, 2), (0, -1, 0x7FFFFFFF, 3)),
        ("average_pool", (3, 4), (0, -3, 0x7FFFFFFF)),
    ):
        m = Edited(name)
        for field in fields:
            for value in values:
                m.refuses(m.reader.field(m.options(0), field, 4), value)
