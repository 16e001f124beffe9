"""TinyMaix, by the module ``emlearn_cnn_int8`` of emlearn-micropython. Its models are TinyMaix files, not TFLite.

What that module does, by its C source, and what is done about it here:

- ``new()`` takes a writable array of typecode B; bytes and even a bytearray are refused. It copies the model and allocates a
  buffer of the same size: three times the model in the heap while it loads, twice after.
- ``run(input, output)`` takes an array B of unsigned values, from which it subtracts 128, and an array f, both of exactly the
  model's sizes: so int8 inputs have their sign bit flipped.
- Outputs are floats: probabilities. They become int8 as TFLite's SOFTMAX writes them, scale 1/256 and zero point -128. Its
  arithmetic is its own: the slot image must allow a tolerance.
"""

from array import array

from ..core.errors import ModelError
from .native import Facts, need

EXACT = False
SHARED = False
_PIECE = 512


def check(source, header):
    """See `mulligan.engines`. Whether the model loads is only seen when it is loaded."""
    need("emlearn_cnn_int8", "emlearn")


def load(source, arena=None, meter=None, header=None):
    """See `mulligan.engines`."""
    module = need("emlearn_cnn_int8", "emlearn")
    try:
        model = module.new(_whole(source))
        outputs = model.output_dimensions()[0]
    except (ValueError, RuntimeError) as e:
        raise ModelError("engine emlearn: " + str(e))
    if outputs != header.output_size:
        raise ModelError("engine emlearn: {} outputs, the golden vectors have {}".format(outputs, header.output_size))
    return Engine(model, header.input_size, outputs, 2 * source.size)


class Engine:
    """One model of one input and one output."""

    def __init__(self, model, inputs, outputs, size):
        self._model = model
        self._size = size
        self._given = array("B", bytes(inputs))
        self._floats = array("f", bytes(4 * outputs))
        self._input = memoryview(self._given)
        self._output = memoryview(bytearray(outputs))

    def input(self, i=0):
        return (self._input,)[i]

    def output(self, i=0):
        return (self._output,)[i]

    def invoke(self):
        given = self._given
        for at in range(len(given)):
            given[at] ^= 0x80
        try:
            self._model.run(given, self._floats)
        except ValueError as e:
            raise ModelError("engine emlearn: " + str(e))
        for at, value in enumerate(self._floats):
            self._output[at] = min(127, max(-128, round(256 * value) - 128)) & 0xFF

    def bind(self, arena):
        """It has memory of its own."""

    def reset(self):
        """Nothing: its models remember nothing."""

    def describe(self):
        return Facts(self._size)


def _whole(source):
    """All of ``source`` as an array B."""
    data = array("B")
    piece = memoryview(bytearray(_PIECE))
    for at in range(0, source.size, _PIECE):
        part = piece[: min(_PIECE, source.size - at)]
        source.readinto(at, part)
        data.extend(part)
    return data
