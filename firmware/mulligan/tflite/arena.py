"""Plans the arena: where each activation lies, memory being used again as soon as its last reader has run."""

from ..core.model_errors import ModelError, Unsupported
from .graph import FLOAT32, INT8, UINT8, type_name
from .ops.layer import BEFORE, SAME

#: Largest arena that is planned, in bytes.
MAX_ARENA = 512 * 1024

_ALIGN = 4


def place(blocks):
    """Offsets for blocks ``[first, last, size, input, how]``, alive from step ``first`` to step ``last``, both included.

    ``input`` is the index of the block that this one may lie over, as ``how`` allows, if that one dies where this one is born;
    None: none. Returns (offsets in the order of ``blocks``, total bytes). Blocks alive together overlap in no other way.
    Largest first, each into the lowest gap that holds it: a few per cent above the lower bound on the models looked at.
    """
    offsets = [0] * len(blocks)
    placed = []  # (offset, index), by offset
    total = 0
    for i in sorted(range(len(blocks)), key=lambda i: (-blocks[i][2], blocks[i][0])):
        first, last, size, source, _ = blocks[i]
        rivals = [(offset, j) for offset, j in placed if blocks[j][0] <= last and first <= blocks[j][1]]
        at = 0
        over = []
        for offset, j in rivals:
            if offset < at + size:
                at = max(at, _aligned(offset + blocks[j][2]))
            if source == j:
                over.append(offset)
            elif blocks[j][3] == i:
                over.append(_aligned(offset + blocks[j][2] - size))  # the longer output was placed first
        for offset in over:
            if offset < at and _fits(blocks, rivals, i, offset):
                at = offset
        offsets[i] = at
        placed.append((at, i))
        placed.sort()
        total = max(total, at + size)
    return offsets, _aligned(total)


def _fits(blocks, rivals, i, at):
    end = at + blocks[i][2]
    for offset, j in rivals:
        if at < offset + blocks[j][2] and offset < end:
            if not (_may_lie(blocks[i], at, blocks[j], offset, j) or _may_lie(blocks[j], offset, blocks[i], at, i)):
                return False
    return True


def _may_lie(output, at, block, offset, index):
    first, _, size, source, how = output
    if source != index or block[1] != first:
        return False
    room = offset + block[2] - at - size
    return at <= offset and room >= 0 if how == BEFORE else at >= offset and room >= 0 and (at - offset) % how == 0


def _aligned(n):
    return (n + _ALIGN - 1) & -_ALIGN


RESHAPE = 22
#: Operators that take a constant where they take an activation: ADD, CONCATENATION, MUL, SUB. It is read into the arena first.
_MIXED = 0, 2, 18, 41
CALL_ONCE, VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE, SVDF, LSTM = 129, 142, 143, 144, 27, 44


class Planner:
    """Follows the activations of a graph through its operators, in order. ``blocks``: tensor index -> index of its block.

    ``states``: a `states.States`, or None if there are none; ``states_at``: where their block lies, after `finish`.

    Raises throughout: ModelError (an op reads what no op before it wrote, or writes a constant, an input, or what is written
    already), Unsupported (an activation that isn't int8, or uint8 or float32 for QUANTIZE; an arena above `MAX_ARENA`).
    """

    def __init__(self, graph):
        self._graph = graph
        self._step = 0
        self._lives = []
        self._block = None  # index of the states' one
        self.states = self.states_at = None
        self.blocks = {}
        for i in graph.inputs:
            self._born(i)

    def _born(self, index):
        tensor = self._graph.tensor(index)
        if tensor.data or index in self.blocks:
            raise ModelError("tensor %d is written twice, or is a constant" % index)
        if tensor.type not in (INT8, UINT8, FLOAT32):
            raise Unsupported("tensor %d is %s: activations must be INT8" % (index, type_name(tensor.type)))
        if tensor.variable:
            raise Unsupported("tensor %d is a variable, and written by an operator" % index)
        self._room(index, tensor.elements * (4 if tensor.type == FLOAT32 else 1))

    def _room(self, index, size):
        self.blocks[index] = len(self._lives)
        self._lives.append((self._step, self._step, size, None, 0))

    def _keep(self, index):
        block = self.blocks[index]
        first, _, size, source, how = self._lives[block]
        self._lives[block] = first, self._step, size, source, how

    def follow(self, op):
        """The next operator reads and writes. Returns the constants (`Tensor`) that are to be read into the arena before."""
        self._step += 1
        constants = []
        if op.code in (CALL_ONCE, VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE, SVDF, LSTM):
            self._remember(op)
        for i in op.inputs[:1] if op.code == RESHAPE else op.inputs:
            if i < 0:
                continue
            if i in self.blocks:
                self._keep(i)
            else:
                tensor = self._graph.tensor(i)
                if not tensor.data:
                    raise ModelError("operator %d reads tensor %d, which nothing wrote" % (self._step - 1, i))
                if op.code in _MIXED and tensor.type == INT8:
                    if tensor.bytes != tensor.elements:
                        raise ModelError("tensor %d: %d bytes for %d elements" % (i, tensor.bytes, tensor.elements))
                    self._room(i, tensor.elements)
                    constants.append(tensor)
        if op.code != VAR_HANDLE:
            for i in op.outputs:
                self._born(i)
        return constants

    def _remember(self, op):
        if self.states is None:
            from .states import States  # in memory only for models that have some

            self.states = States(self._graph)
            self._block = len(self._lives)
            self._lives.append((0, 0, 0, None, 0))
        self.states.follow(op)
        for i in self.states.offset:
            if self.blocks.get(i, self._block) != self._block:
                raise ModelError("tensor %d is a state, and something else" % i)
            self.blocks[i] = self._block

    def lay(self, op, layer, chunk):
        """What the operator that was followed last came to: its one output may lie over its input, as ``layer.over`` says, and
        for ``chunk`` bytes of constants and its scratch it has a place that ``blocks`` calls -1 for the first operator, then -2…
        """
        if layer.over:
            source, how = layer.over
            source = self.blocks[op.inputs[source]]
            if how == SAME:
                if self.states and op.inputs[0] in self.states.offset:
                    raise Unsupported("a RESHAPE of state %d" % op.inputs[0])
                self._lives.pop()
                self.blocks[op.outputs[0]] = source
            else:
                self._lives[-1] = self._lives[-1][:3] + (source, how)
        if chunk + layer.scratch:
            self._room(-self._step, _aligned(chunk) + layer.scratch)

    def finish(self):
        """(offsets in the arena, by tensor index, and of the operators' places to work; bytes of all)"""
        self._step += 1
        for i in self._graph.outputs:
            if i not in self.blocks:
                raise ModelError("no operator writes output tensor %d" % i)
            self._keep(i)
            if self.states and i in self.states.offset:
                raise Unsupported("output tensor %d is a state" % i)
        at = {}
        if self.states:
            at = self.states.offset
            self._lives[self._block] = 0, self._step, self.states.size, None, 0
        offsets, total = place(self._lives)
        if self.states:
            self.states_at = offsets[self._block]
        if total > MAX_ARENA:
            raise Unsupported("an arena of %d bytes: at most %d" % (total, MAX_ARENA))
        return {i: offsets[b] + at.get(i, 0) for i, b in self.blocks.items()}, total
