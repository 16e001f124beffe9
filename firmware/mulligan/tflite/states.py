"""What a model keeps from one inference to the next: variable tensors (SVDF, LSTM), and resource variables.

All states lie in one block of the arena while the model runs, and are kept elsewhere in between (`memory`). A variable that
CALL_ONCE's subgraph assigns begins with that constant; any other with its zero point, and int16s with 0, as TFLite-Micro has it.
"""

from ..core.model_errors import ModelError, Unsupported
from .codes import CALL_ONCE, INT8, INT16, LSTM, READ_VARIABLE, RESOURCE, SVDF, VAR_HANDLE
from .opnames import type_name

# Most states of a model, and bytes of all of them.
_MAX_STATES = 64
_MAX_BYTES = 65536


class States:
    """Follows the operators of a model. ``offset``: tensor index of a state, or of the handle of one -> its offset in the block;
    ``at``, ``size``: where the planner has put the block, and bytes of it; ``starts``: what it begins with: (offset, bytes,
    position in the file, or None; value).

    Raises throughout: ModelError, Unsupported.
    """

    def __init__(self, tensors):
        self._tensors = tensors
        self._number = {}  # (container, shared name) -> number of the variable
        self._handles = {}  # tensor index -> number of the variable
        self._sizes = []  # of each variable: (elements, offset), or None as long as nothing has said
        self._firsts = {}  # number of the variable -> position of its constant
        self._touched = False
        self.offset = {}
        self.at = self.size = 0
        self.starts = []

    def follow(self, op):
        """The next operator."""
        if op.code in (SVDF, LSTM):
            for i in op.inputs:
                if i >= 0 and self._tensors[i].variable:
                    self._variable(self._tensors[i])
        elif op.code == CALL_ONCE:
            self._once(op)
        elif op.code == VAR_HANDLE:
            self._handle(op)
        else:
            self._touched = True
            read = op.code == READ_VARIABLE
            if len(op.inputs) != (1 if read else 2) or len(op.outputs) != int(read) or op.inputs[0] not in self._handles:
                raise ModelError("a variable without a handle is read or assigned, or with the wrong operands")
            number = self._handles[op.inputs[0]]
            self._meet(number, self._tensors[op.outputs[0] if read else op.inputs[1]])
            self.offset[op.inputs[0]] = self._sizes[number][1]

    def _room(self, size):
        offset = self.size
        self.size += size + 3 & -4
        if self.size > _MAX_BYTES or len(self.starts) >= _MAX_STATES:
            raise Unsupported("states of more than %d bytes, or more than %d" % (_MAX_BYTES, _MAX_STATES))
        return offset

    def _variable(self, tensor):
        if tensor.index in self.offset:
            raise Unsupported("tensor %d is the state of two operators" % tensor.index)
        if tensor.data or tensor.type not in (INT8, INT16):
            raise Unsupported("tensor %d is a constant, or %s: a state is INT8 or INT16" % (tensor.index, type_name(tensor.type)))
        size = tensor.elements * (1 if tensor.type == INT8 else 2)
        self.offset[tensor.index] = at = self._room(size)
        self.starts.append((at, size, None, tensor.zero + 128 if tensor.type == INT8 else 0))

    def _named(self, container, name):
        """The number of the variable of these names."""
        key = container, name
        if key not in self._number:
            if len(self._sizes) >= _MAX_STATES:
                raise Unsupported("more than %d variables" % _MAX_STATES)
            self._number[key] = len(self._sizes)
            self._sizes.append(None)
        return self._number[key]

    def _handle(self, op):
        if len(op.outputs) != 1 or op.inputs or self._tensors[op.outputs[0]].type != RESOURCE:
            raise ModelError("a VAR_HANDLE without a handle")
        if op.outputs[0] in self._handles:
            raise ModelError("tensor %d is written twice" % op.outputs[0])
        self._handles[op.outputs[0]] = self._named(*op.options)

    def _meet(self, number, tensor):
        """A value of a variable, which gives it its size."""
        if tensor.type != INT8:
            raise Unsupported("a variable of type %s" % type_name(tensor.type))
        if self._sizes[number] is None:
            at = self._room(tensor.elements)
            self._sizes[number] = tensor.elements, at
            self.starts.append((at, tensor.elements, self._firsts.get(number), tensor.zero + 128))
        size = self._sizes[number][0]
        if size != tensor.elements:
            raise ModelError("tensor %d is %d long, and its variable %d" % (tensor.index, tensor.elements, size))

    def _once(self, op):
        if self._touched or self._firsts:
            raise Unsupported("a CALL_ONCE after a variable was used, or a second one")
        if op.inputs or op.outputs:
            raise ModelError("a CALL_ONCE with operands")
        for container, name, tensor in op.options:
            number = self._named(container, name)
            self._firsts[number] = tensor.data
            self._meet(number, tensor)
