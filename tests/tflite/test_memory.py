"""Models that remember: forgetting, and inferences that fail. Sequences are in tests/host/test_zoo.py."""

from common import raises
from mulligan.tflite.interpreter import Interpreter
from tflite.models import DATA, FileSource, Random

STREAM = DATA + "stream.tflite"


class Failing(FileSource):
    fails = False

    def readinto(self, offset, buf):
        if self.fails:
            raise OSError(5)
        super().readinto(offset, buf)


def run(model, random):
    random.fill(model.input(0))
    model.invoke()
    return bytes(model.output(0))


def sequence(model, n=4):
    random = Random(3)
    return [run(model, random) for _ in range(n)]


def test_remembers_and_forgets():
    with FileSource(STREAM) as source:
        model = Interpreter(source)
        first = sequence(model)
        assert sequence(model) != first
        model.reset()
        assert sequence(model) == first
        assert sequence(Interpreter(source)) == first


def test_two_models_of_one_arena_remember_apart():
    with FileSource(STREAM) as source:
        expected = sequence(Interpreter(source))
        arena = bytearray(Interpreter(source).arena_size)
        models = [Interpreter(source, arena) for _ in range(2)]
        a, b = Random(3), Random(3)
        for y in expected:
            assert run(models[0], a) == y
            assert run(models[1], b) == y
            for i in range(len(arena)):
                arena[i] = 0xA5  # as the installer does between inferences


def test_a_failed_inference_teaches_nothing():
    with Failing(STREAM) as source:
        model = Interpreter(source)
        expected = sequence(model)
        model.reset()
        random = Random(3)
        assert run(model, random) == expected[0]
        source.fails = True
        raises(OSError, run, model, Random(9))
        source.fails = False
        assert [run(model, random) for _ in range(3)] == expected[1:]


def test_another_arena():
    with FileSource(STREAM) as source:
        model = Interpreter(source)
        expected = sequence(model)
        model.reset()
        random = Random(3)
        for y in expected:
            model.bind(None)
            model.bind(bytearray(model.arena_size))
            assert run(model, random) == y
