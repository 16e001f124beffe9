"""Stand-ins for the modules of other firmware, which can't run here: they do what the C sources say, hazards included.

Read from mocleiri/tensorflow-micropython-examples (tensorflow-microlite.c, openmv-libtf.cpp), openmv/openmv (py_ml.c) and
emlearn/emlearn-micropython (mod_cnn.c). What computes behind the first two is Mulligan's own interpreter.
"""

import struct
import sys
from array import array

from mulligan.tflite.interpreter import Interpreter
from tflite.models import BytesSource


class Crash(BaseException):
    """The chip would have crashed, or written where it may not."""


class Module:
    """A module of the firmware while the ``with`` block lasts."""

    def __init__(self, name, **contents):
        self._name = name
        self._contents = contents

    def __enter__(self):
        sys.modules[self._name] = self
        for key in self._contents:
            setattr(self, key, self._contents[key])
        return self

    def __exit__(self, *error):
        del sys.modules[self._name]


class Tensor:
    """Knows no length, checks no index: outside of the tensor it reads and writes whatever is there."""

    def __init__(self, view, signed=True):
        self._view = view
        self._signed = signed

    def setValue(self, index, value):
        if not 0 <= index < len(self._view) or not isinstance(value, int):
            raise Crash("setValue")
        self._view[index] = value & 0xFF

    def getValue(self, index):
        if not 0 <= index < len(self._view):
            raise Crash("getValue")
        value = self._view[index]
        return value - 256 if self._signed and value > 127 else value


class Microlite:
    """``microlite.interpreter``. ``needs``: bytes of tensor arena that AllocateTensors wants; ``fails``: Invoke() does."""

    needs = 20000
    fails = False
    made = []

    def __init__(self, model, arena, given, taken):
        if not isinstance(model, bytearray):
            raise Crash("the address of a slice's base, not of the slice")
        self._model = Interpreter(BytesSource(model)) if arena >= Microlite.needs else None  # silently
        self._given = given
        self._taken = taken
        Microlite.made.append((len(model), arena))

    def getInputTensor(self, index):
        return Tensor(self._alive().input(index))

    def getOutputTensor(self, index):
        return Tensor(self._alive().output(index))

    def invoke(self):
        self._given(self)  # TypeError where it is None, as mp_call_function_1 raises
        if Microlite.fails:
            return 1
        self._alive().invoke()
        self._taken(self)
        return 0

    def _alive(self):
        if self._model is None:
            raise Crash("a null pointer, after AllocateTensors failed")
        return self._model


class Array:
    """As much of a ulab ndarray as is needed: of float32."""

    def __init__(self, values, shape):
        self._values = values
        self.shape = shape

    def flatten(self):
        return array("f", self._values)


class OpenMV:
    """``ml.Model``."""

    dtypes = ("b", "b")

    def __init__(self, path, load_to_fb=False):
        with open(path, "rb") as f:
            data = bytearray(f.read())
        try:
            self._model = Interpreter(BytesSource(data))
        except Exception as e:
            raise ValueError("Failed to load: " + str(e))
        self.len = len(data)
        self.ram = self._model.arena_size
        info = self._model.describe()
        for end, ports, dtype in (("input", info.inputs, OpenMV.dtypes[0]), ("output", info.outputs, OpenMV.dtypes[1])):
            setattr(self, end + "_shape", tuple([port.shape for port in ports]))
            setattr(self, end + "_dtype", tuple([dtype] * len(ports)))
            scales = [struct.unpack("<f", struct.pack("<I", port.scale_bits))[0] for port in ports]
            setattr(self, end + "_scale", tuple(scales))
            setattr(self, end + "_zero_point", tuple([port.zero_point for port in ports]))

    def predict(self, inputs, callback=None):
        if not isinstance(inputs, list):
            raise ValueError("Unsupported input type. Expected a list")
        for i, given in enumerate(inputs):
            if not callable(given):
                raise Crash("an ndarray, scaled in floats and truncated")
            tensor = bytearray(len(self._model.input(i)))
            given(tensor, self.input_shape[i], ord(self.input_dtype[i]))
            self._model.input(i)[:] = tensor
        self._model.invoke()
        found = []
        for i in range(len(self.output_shape)):
            values = []
            for byte in self._model.output(i):
                q = byte - 256 if byte > 127 else byte
                values.append(_float32((q - self.output_zero_point[i]) * self.output_scale[i]))
            found.append(Array(values, self.output_shape[i]))
        return found


class Emlearn:
    """What ``emlearn_cnn_int8.new()`` gives. A model here is MAIX, then u16 inputs, u16 outputs, and a table of int8 weights."""

    def __init__(self, model):
        _typecode(model, "B", "model should be bytes")
        raw = bytes(model)
        self._inputs, self._outputs = struct.unpack_from("<HH", raw, 4)
        if raw[:4] != b"MAIX" or len(raw) != 8 + self._inputs * self._outputs:
            raise RuntimeError("tm_load error")
        self._weights = raw[8:]

    def output_dimensions(self):
        return (self._outputs,)

    def run(self, given, taken):
        _typecode(given, "B", "expecting byte array")
        if len(given) != self._inputs:
            raise ValueError("wrong input size")
        _typecode(taken, "f", "expecting float array")
        if len(taken) != self._outputs:
            raise ValueError("wrong output size")
        for j in range(self._outputs):
            weights = self._weights[j * self._inputs : (j + 1) * self._inputs]
            total = sum([(w - 256 if w > 127 else w) * (x - 128) for w, x in zip(weights, given)])
            taken[j] = min(1.0, max(0.0, 0.5 + total / 4096))


def _typecode(buffer, wanted, message):
    """MicroPython gives a bytearray a typecode of its own, and bytes are not writable."""
    if not isinstance(buffer, array) or not repr(buffer).startswith("array('" + wanted):
        raise ValueError(message)


def _float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]
