"""What a model keeps from one inference to the next: variable tensors (SVDF, LSTM), and resource variables.

All states lie in one block of the arena while the model runs, and are kept elsewhere in between (`memory`). A variable that
CALL_ONCE's subgraph assigns begins with that constant; any other with its zero point, and int16s with 0, as TFLite-Micro has it.
"""

from ..core.model_errors import ModelError, Unsupported
from .arena import ASSIGN_VARIABLE, CALL_ONCE, LSTM, READ_VARIABLE, SVDF, VAR_HANDLE
from .graph import INT8, INT16, RESOURCE, Graph, type_name

#: Most states of a model, and bytes of all of them.
MAX_STATES = 64
MAX_BYTES = 65536


class States:
    """Follows the operators of a graph. ``offset``: tensor index of a state, or of the handle of one -> its offset in the block;
    ``size``: bytes of the block; ``starts``: what it begins with: (offset, bytes, position in the file, or None; value).

    Raises throughout: ModelError, Unsupported.
    """

    def __init__(self, graph):
        self._graph = graph
        self._number = {}  # (container, shared name) -> number of the variable
        self._handles = {}  # tensor index -> number of the variable
        self._sizes = []  # of each variable: (elements, offset), or None as long as nothing has said
        self._firsts = {}  # number of the variable -> position of its constant
        self._touched = False
        self.offset = {}
        self.size = 0
        self.starts = []

    def follow(self, op):
        """The next operator."""
        if op.code in (SVDF, LSTM):
            for i in op.inputs:
                if i >= 0 and self._graph.tensor(i).variable:
                    self._variable(self._graph.tensor(i))
        elif op.code == CALL_ONCE:
            self._once(op)
        elif op.code == VAR_HANDLE:
            self._handle(self._graph, op, self._handles)
        else:
            self._touched = True
            read = op.code == READ_VARIABLE
            if len(op.inputs) != (1 if read else 2) or len(op.outputs) != int(read):
                raise ModelError("a variable is read or assigned with the wrong operands")
            self._meet(self._graph, self._handles, op.inputs[0], op.outputs[0] if read else op.inputs[1])
            self.offset[op.inputs[0]] = self._sizes[self._handles[op.inputs[0]]][1]

    def _room(self, size):
        offset = self.size
        self.size += size + 3 & -4
        if self.size > MAX_BYTES or len(self.starts) >= MAX_STATES:
            raise Unsupported("states of more than %d bytes, or more than %d" % (MAX_BYTES, MAX_STATES))
        return offset

    def _variable(self, tensor):
        if tensor.index in self.offset:
            raise Unsupported("tensor %d is the state of two operators" % tensor.index)
        if tensor.data or tensor.type not in (INT8, INT16):
            raise Unsupported("tensor %d is a constant, or %s: a state is INT8 or INT16" % (tensor.index, type_name(tensor.type)))
        size = tensor.elements * (1 if tensor.type == INT8 else 2)
        self.offset[tensor.index] = at = self._room(size)
        self.starts.append((at, size, None, self._graph.zero_point(tensor) + 128 if tensor.type == INT8 else 0))

    def _handle(self, graph, op, handles):
        if op.kind != 111 or len(op.outputs) != 1 or op.inputs or graph.tensor(op.outputs[0]).type != RESOURCE:
            raise ModelError("a VAR_HANDLE without a handle")
        name = graph.string(op.options, 0), graph.string(op.options, 1)
        if name not in self._number:
            if len(self._sizes) >= MAX_STATES:
                raise Unsupported("more than %d variables" % MAX_STATES)
            self._number[name] = len(self._sizes)
            self._sizes.append(None)
        if op.outputs[0] in handles:
            raise ModelError("tensor %d is written twice" % op.outputs[0])
        handles[op.outputs[0]] = self._number[name]

    def _meet(self, graph, handles, handle, index):
        """A value of a variable, which gives it its size."""
        if handle not in handles or index < 0:
            raise ModelError("tensor %d isn't the handle of a variable" % handle)
        number = handles[handle]
        tensor = graph.tensor(index)
        if tensor.type != INT8:
            raise Unsupported("a variable of type %s" % type_name(tensor.type))
        if self._sizes[number] is None:
            at = self._room(tensor.elements)
            self._sizes[number] = tensor.elements, at
            self.starts.append((at, tensor.elements, self._firsts.get(number), graph.zero_point(tensor) + 128))
        if self._sizes[number][0] != tensor.elements:
            raise ModelError("tensor %d is %d long, and its variable %d" % (index, tensor.elements, self._sizes[number][0]))

    def _once(self, op):
        if self._touched or self._firsts:
            raise Unsupported("a CALL_ONCE after a variable was used, or a second one")
        graph = Graph(self._graph.source, self._graph.reader.int(op.options, 0))
        if op.kind != 103 or op.inputs or op.outputs:
            raise ModelError("a CALL_ONCE with operands")
        handles = {}
        for i in range(graph.op_count):
            op = graph.op(i)
            if op.code == VAR_HANDLE:
                self._handle(graph, op, handles)
                continue
            if op.code != ASSIGN_VARIABLE or len(op.inputs) != 2 or op.outputs:
                raise Unsupported("a CALL_ONCE that does more than assign constants")
            handle, index = op.inputs
            tensor = graph.tensor(index) if index >= 0 else None
            if tensor is None or not tensor.data or tensor.bytes != tensor.elements or handle not in handles:
                raise Unsupported("a CALL_ONCE that assigns no constant")
            self._firsts[handles[handle]] = tensor.data
            self._meet(graph, handles, handle, index)
