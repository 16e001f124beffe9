"""The interpreter's promises on a real model, in a small heap."""

import sys

from common import raises
from mulligan.core.errors import Unsupported
from mulligan.engines import builtin
from mulligan.tflite.interpreter import Interpreter
from mulligan.tflite.loader import inspect
from tflite.models import DATA, MODELS, FileSource, MappedSource, Random, load

HEAP = "256k"  # test_tflite_exact runs the model in 128k

DIGITS = MODELS + "digits-1.0.0.tflite"
CLASSIFIER = DATA + "classifier.tflite"


def run(model, seed):
    Random(seed).fill(model.input(0))
    model.invoke()
    return bytes(model.output(0))


def test_what_the_model_is():
    with FileSource(DIGITS) as source:
        info = inspect(source)
        assert info == Interpreter(source).describe()
    (x,), (y,) = info.inputs, info.outputs
    assert x.shape == (1, 8, 8, 1) and (x.scale_bits, x.zero_point) == (0x3D800000, -128)
    assert y.shape == (1, 10) and (y.scale_bits, y.zero_point) == (0x3B800000, -128)
    assert set(info.ops) <= {3, 4, 9, 17, 22, 25}
    assert 0 < info.arena <= 12288


def test_no_read_beyond_4_kb():
    with FileSource(DIGITS) as source:
        model = Interpreter(source)
        assert source.longest <= 4096
        source.reads = source.longest = 0
        run(model, 1)
        assert 1024 < source.longest <= 4096
        assert source.reads <= 2 * (source.size // 4096 + len(model.describe().ops))


def test_meter_adds_up():
    work = []
    with FileSource(DIGITS) as source:
        model = builtin.load(source, meter=work.append)
        assert work == []
        run(model, 1)
    assert sum(work) == model.macs == model.describe().macs
    assert len(work) > 3 and min(work) > 0


def test_same_input_same_output():
    with FileSource(DIGITS) as source:
        model = Interpreter(source)
        a = run(model, 1)
        b = run(model, 2)
        assert a != b and run(model, 1) == a


def test_two_models_share_an_arena():
    with FileSource(DIGITS) as digits, FileSource(CLASSIFIER) as classifier:
        apart = [run(Interpreter(s), 5) for s in (digits, classifier)]
        arena = bytearray(max(inspect(digits).arena, inspect(classifier).arena))
        models = [Interpreter(s, arena) for s in (digits, classifier)]
        assert [run(m, 5) for m in models] == apart
        assert [run(m, 5) for m in models] == apart


def test_arena_too_small():
    with FileSource(DIGITS) as source:
        needed = inspect(source).arena
        assert Interpreter(source, bytearray(needed)).arena_size == needed
        raises(Unsupported, Interpreter, source, bytearray(needed - 1))


class Failing(FileSource):
    """A file that stops answering."""

    def __init__(self, path):
        super().__init__(path)
        self.fails = False

    def readinto(self, offset, buf):
        if self.fails:
            raise OSError(5)
        super().readinto(offset, buf)


def test_error_of_the_source_comes_through():
    with Failing(DIGITS) as source:
        model = Interpreter(source)
        expected = run(model, 1)
        source.fails = True
        raises(OSError, model.invoke)
        source.fails = False
        assert run(model, 1) == expected


def test_a_model_in_memory_is_used_in_place():
    for path in (DIGITS, CLASSIFIER, DATA + "conv_long.tflite", DATA + "dense_long.tflite", DATA + "depthwise_wide.tflite"):
        with FileSource(path) as source:
            streamed = Interpreter(source)
            expected = [run(streamed, seed) for seed in (3, 4)]
        source = MappedSource(load(path))
        model = Interpreter(source)
        assert model.arena_size < streamed.arena_size
        assert [run(model, seed) for seed in (3, 4)] == expected
        assert source.reads == 0
        model.bind(None)
        model.bind(bytearray(model.arena_size))
        assert [run(model, seed) for seed in (3, 4)] == expected


def test_running_allocates_nothing():
    """The second inference, under heap_lock; plain kernels do allocate, so only where viper runs."""
    if not getattr(sys.implementation, "_mpy", 0) >> 10:
        print("no native code here: nothing to prove about the heap")
        return
    import micropython

    count = [0]

    def meter(n):
        count[0] += 1

    for path in (DIGITS, DATA + "conv_long.tflite", DATA + "depthwise_wide.tflite"):
        with FileSource(path) as source:
            for s in (source, MappedSource(load(path))):
                model = Interpreter(s, None, meter)
                expected = run(model, 3)
                Random(3).fill(model.input(0))
                micropython.heap_lock()
                try:
                    model.invoke()
                finally:
                    micropython.heap_unlock()
                assert bytes(model.output(0)) == expected
    assert count[0] > 12
