"""TFLite-Micro of the OpenMV firmware, by ``ml.Model``.

What that class does, by its C source, and what is done about it here:

- It loads from a path only, and reads the file into memory of its own (heap: the model's size) unless it lies in romfs. A slot is
  no file, so the model is copied into one beside boot.py: one for each slot, written where the slot's content is another, and
  compared with the slot at each load. Cost: a model's size of room in the filesystem for each slot, and of wear for each update.
- An ndarray as input is scaled in floats and truncated, which loses exact bytes; a callable gets the tensor itself: so callables
  are what is given.
- Outputs come as float ndarrays, (q - zero_point) * scale: q is found again by rounding, exactly.
- There is no way to have a model forget what it keeps from one inference to the next: a reset loads it anew.
- A tensor may be other than int8: such a model is refused.
"""

from ..borrow import collect
from ..core.errors import ModelError, Unsupported
from .native import Facts, need

EXACT = False  # CMSIS-NN, or an NPU
SHARED = False
_PIECE = 512


def check(source, header):
    """See `mulligan.engines`. Whether the model loads is only seen when it is loaded."""
    need("ml", "openmv")


def load(source, arena=None, meter=None, header=None):
    """See `mulligan.engines`. Raises OSError too, where the filesystem has no room."""
    ml = need("ml", "openmv")
    path = "mulligan-{}.tflite".format(source.label)
    _copy(source, path)
    try:
        return Engine(ml, path)
    except (ValueError, RuntimeError) as e:
        raise ModelError("engine openmv: " + str(e))


class Engine:
    """One model; its inputs and outputs are copies."""

    def __init__(self, ml, path):
        self._ml = ml
        self._path = path
        self._model = model = ml.Model(path)
        self._signed = _signed(model.output_dtype)
        _signed(model.input_dtype)
        self._inputs = [memoryview(bytearray(_elements(shape))) for shape in model.input_shape]
        self._outputs = [memoryview(bytearray(_elements(shape))) for shape in model.output_shape]
        self._fillers = [_filler(given) for given in self._inputs]

    def input(self, i=0):
        return self._inputs[i]

    def output(self, i=0):
        return self._outputs[i]

    def invoke(self):
        model = self._model
        for i, values in enumerate(model.predict(self._fillers)):
            scale, zero_point, output = model.output_scale[i], model.output_zero_point[i], self._outputs[i]
            low = -128 if self._signed[i] else 0
            at = 0
            for value in values.flatten():
                output[at] = min(low + 255, max(low, round(value / scale) + zero_point)) & 0xFF
                at += 1

    def bind(self, arena):
        """It has an arena of its own."""

    def reset(self):
        """Load it anew, in the place of the one that was there."""
        self._model = None
        collect()
        self._model = self._ml.Model(self._path)

    def describe(self):
        return Facts(self._model.ram)


def _filler(given):
    def fill(tensor, shape, dtype):
        tensor[:] = given

    return fill


def _signed(dtypes):
    """[whether a tensor is int8 and not uint8]. Raises: Unsupported where it is neither."""
    if not all(dtype in ("b", "B") for dtype in dtypes):
        raise Unsupported("engine openmv: inputs and outputs must be INT8 or UINT8")
    return [dtype == "b" for dtype in dtypes]


def _elements(shape):
    count = 1
    for d in shape:
        count *= d
    return count


def _copy(source, path):
    """Make the file ``path`` hold what ``source`` does. A power cut leaves a file that is found to differ the next time."""
    if _same(source, path):
        return
    piece = bytearray(_PIECE)
    with open(path, "wb") as f:
        for at in range(0, source.size, _PIECE):
            part = memoryview(piece)[: min(_PIECE, source.size - at)]
            source.readinto(at, part)
            f.write(part)


def _same(source, path):
    here, there = bytearray(_PIECE), bytearray(_PIECE)
    try:
        with open(path, "rb") as f:
            if f.seek(0, 2) != source.size:
                return False
            f.seek(0)
            for at in range(0, source.size, _PIECE):
                size = min(_PIECE, source.size - at)
                source.readinto(at, memoryview(here)[:size])
                if f.readinto(there) != size or here[:size] != there[:size]:
                    return False
    except OSError:
        return False
    return True
