"""TFLite-Micro, by the module ``microlite`` of firmware built from tensorflow-micropython-examples.

What that module does, by its C source, and what is done about it here:

- It takes the address of the model's first byte from a bytearray, and ignores where a slice of one begins: so the whole model is
  copied into a bytearray of its own (heap: the model's size).
- Where the tensor arena is too small, AllocateTensors fails, nothing is said, and the first use of the interpreter crashes the
  chip. So there is no guessing: the slot image says how much the model needs, and what can't be enough is refused.
- The tensor arena lies in the heap (native_arena + 16 bytes); the interpreter object itself in C's, and it is never given back.
- There is no way to have a model forget what it keeps from one inference to the next, and an interpreter anew would be one more
  that is never given back: so a model that remembers is refused, as the app would get it with what the golden vectors left.
- ``invoke()`` calls both callbacks always, None included; it returns 1 and leaves out the second where Invoke() failed.
- A tensor knows no length and checks no index: sizes are taken from the model and held against the slot image.
"""

from ..borrow import Borrowed
from ..core.errors import ModelError, Unsupported
from .native import Facts, need, whole

EXACT = False  # built with vendors' kernels as a rule
SHARED = False
_UINT8 = 3
_INT8 = 9
_RESHAPE = 22
_REMEMBER = (27, 44, 129, 142, 143, 144)  # SVDF, UNIDIRECTIONAL_SEQUENCE_LSTM, those of resource variables


def check(source, header):
    """See `mulligan.engines`."""
    need("microlite", "microlite")
    _ends(source, header)


def load(source, arena=None, meter=None, header=None):
    """See `mulligan.engines`. The slot image's native_arena must be enough: too little crashes the chip."""
    microlite = need("microlite", "microlite")
    inputs, outputs = _ends(source, header)
    return Engine(microlite, whole(source), header.native_arena, inputs, outputs)


class Engine:
    """One model; its inputs and outputs are copies, an element at a time, because the module has no other way."""

    def __init__(self, microlite, model, arena, inputs, outputs):
        self._arena = arena
        self._signed = [signed for _, signed in inputs]
        self._inputs = [memoryview(bytearray(size)) for size, _ in inputs]
        self._outputs = [memoryview(bytearray(size)) for size, _ in outputs]
        self._done = False
        self._model = model
        self._interpreter = microlite.interpreter(model, arena, self._fill, self._take)

    def input(self, i=0):
        return self._inputs[i]

    def output(self, i=0):
        return self._outputs[i]

    def invoke(self):
        self._done = False
        if self._interpreter.invoke() or not self._done:
            raise ModelError("engine microlite: Invoke() failed")

    def bind(self, arena):
        """It has an arena of its own."""

    def reset(self):
        """Nothing: a model that remembers is refused."""

    def describe(self):
        return Facts(self._arena)

    def _fill(self, interpreter):
        for i, given in enumerate(self._inputs):
            tensor = interpreter.getInputTensor(i)
            signed = self._signed[i]
            for at, value in enumerate(given):
                tensor.setValue(at, value - 256 if signed and value > 127 else value)

    def _take(self, interpreter):
        for i, output in enumerate(self._outputs):
            tensor = interpreter.getOutputTensor(i)
            for at in range(len(output)):
                output[at] = tensor.getValue(at) & 0xFF
        self._done = True


def _ends(source, header):
    """([(bytes, signed)] of the inputs, the same of the outputs), by the model. Raises: ModelError, Unsupported."""
    if not header.native_arena:
        raise Unsupported("engine microlite: the slot image does not say how much tensor arena TFLite-Micro needs")
    with Borrowed("tflite.graph") as module:
        graph = module.Graph(source)
        if any(graph.operands(i)[0] in _REMEMBER for i in range(graph.op_count)):
            raise Unsupported("engine microlite: it can't reset a model that remembers; engine builtin can")
        ends = []
        for indices in (graph.inputs, graph.outputs):
            tensors = [graph.tensor(i) for i in indices]
            if not all(t.type in (_INT8, _UINT8) for t in tensors):
                raise Unsupported("engine microlite: inputs and outputs must be INT8 or UINT8")
            ends.append([(t.elements, t.type == _INT8) for t in tensors])
        least = max([_alive(graph, graph.op(i)) for i in range(graph.op_count)])
    if [sum([n for n, _ in end]) for end in ends] != [header.input_size, header.output_size]:
        raise ModelError("the model's inputs and outputs are not as large as the slot image's golden vectors")
    if header.native_arena < least:
        raise Unsupported(
            "engine microlite: a tensor arena of {} bytes, the largest layer alone has {}".format(header.native_arena, least)
        )
    return ends


def _alive(graph, op):
    """Bytes of activations that an operator reads and writes, all of which TFLite-Micro holds at a time."""
    if op.code == _RESHAPE:  # may share
        return 0
    tensors = [graph.tensor(i) for i in op.inputs + op.outputs if i >= 0]
    return sum([t.elements for t in tensors if not t.data])  # a byte each, or more
