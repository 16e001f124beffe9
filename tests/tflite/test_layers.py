"""The small models of data/: the same bytes as TensorFlow Lite's reference kernels. data/README.md says how they were made."""

from mulligan.tflite.interpreter import Interpreter
from mulligan.tflite.loader import inspect
from tflite.models import DATA, LAYERS, FileSource, Random, load

INPUTS = 8


def check(name):
    expected = load(DATA + name + ".out")
    with FileSource(DATA + name + ".tflite") as source:
        model = Interpreter(source)
        assert inspect(source) == model.describe()
        x, y = model.input(0), model.output(0)
        assert len(expected) == INPUTS * len(y)
        random = Random(1)
        for i in range(INPUTS):
            random.fill(x)
            model.invoke()
            assert bytes(y) == expected[i * len(y) : (i + 1) * len(y)], name
        assert source.longest <= 4096


def test_outputs_are_the_references():
    for name in LAYERS:
        check(name)
