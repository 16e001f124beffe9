"""The third pass over a model: its activations are followed through the operators, and each gets a place in the arena."""

from array import array

from ..core.model_errors import ModelError, Unsupported
from .codes import (
    ADD,
    APART,
    ASSIGN_VARIABLE,
    BEFORE,
    CALL_ONCE,
    CONCATENATION,
    FLOAT32,
    INT8,
    KERNELS,
    LSTM,
    MUL,
    PATCHES,
    READ_VARIABLE,
    SAME,
    SCRATCH,
    SUB,
    SVDF,
    UINT8,
    VAR_HANDLE,
)
from .interpreter import Info, Port
from .limits import MAX_ALL_CHANNELS, MAX_ARENA, MAX_MACS, READ


def plan(model, layers, mapped):
    """(`Info`, steps, ends, flips, states) of a `Model` with these ``layers``; ``mapped``: constants are used where they lie.

    steps: two arrays("i") of each, one after the other: number of its kernel among `codes.KERNELS`, macs, offset in the arena of
    its place to work in, bytes of that which are for constants, ``weights`` of its layer (three, 0 for none), its ``channels``;
    and its parameters. ``layers`` are used up. ends: places (offset, bytes) of the inputs and of the outputs; flips: those that
    are int8; states: None, or (offset, bytes, starts). No type of this module: it would stay in memory.

    Raises: ModelError (an op reads what no op before it wrote, or writes a constant, an input, or what is written already),
    Unsupported (an activation that isn't int8, or uint8 or float32 for QUANTIZE; more of something than the limits).
    """
    planner = Planner(model)
    macs = count = number = 0
    wanted = []  # (number of an operator, a constant that is to be read into the arena before it)
    chunks = []
    for op, layer in zip(model.ops, layers):
        chunk = layer.chunk
        for tensor in planner.follow(op):
            wanted.append((number, tensor))
            chunk = max(chunk, min(READ, tensor.elements))
        chunk = 0 if mapped else chunk
        planner.place(op, layer, chunk)
        chunks.append(chunk)
        macs += layer.macs
        count += layer.count
        number += 1
        if macs > MAX_MACS or count > MAX_ALL_CHANNELS:
            raise Unsupported("more than %d operations, or %d channels" % (MAX_MACS, MAX_ALL_CHANNELS))
    at, size = planner.finish()
    steps = []
    for number, layer in enumerate(layers):
        layers[number] = None
        work = at.get(-1 - number, 0)
        for i, t in wanted:
            if i == number:
                weights = t.data, t.elements, min(READ, t.elements)
                steps += _step("constant", 0, work, chunks[i], weights, array("i", (at[t.index], 128)))
        p = layer.p
        for i, tensor in layer.places:
            p[i] += work + (chunks[number] + 3 & -4) if tensor == SCRATCH else at[tensor]
        if layer.over and layer.kernel == "gemm":
            # Patches of one pixel are gathered only where the output lies over them.
            x, y, n = p[11], p[12], p[14]
            if not (x < y + n * p[2] and y < x + n * p[13]):
                p[22] = PATCHES
        if layer.kernel == "gemm" and p[22] == APART:
            weights = layer.channels[4], 4 * p[2], 4 * p[2]  # its biases
            steps += _step("constant", 0, work, chunks[number], weights, array("i", (p[23], 0)))
        if layer.macs:
            constants = (layer.weights or (0, 0, 0)) + (layer.channels or ())
            steps += _step(layer.kernel, layer.macs, work, chunks[number], constants, p)
    ports = []
    places = []
    flips = []
    for end in model.inputs, model.outputs:
        end = [model.tensors[i] for i in end]
        found = []
        for t in end:
            if not t.scales and t.type != FLOAT32:
                raise ModelError("tensor %d has no scale" % t.index)
            found.append(Port(t.shape, 0, 0, FLOAT32) if t.type == FLOAT32 else Port(t.shape, t.scale, t.zero, t.type))
        ports.append(tuple(found))
        places.append([(at[t.index], _size(t)) for t in end])
        # Two outputs may be one through a RESHAPE, which must not be flipped twice.
        flips.append(list({(at[t.index], t.elements) for t in end if t.type == INT8}))
    states = planner.states
    states = (states.at, states.size, states.starts) if states and states.size else None
    return Info(size, tuple([op.code for op in model.ops]), macs, ports[0], ports[1]), steps, places, flips, states


def _step(name, macs, work, chunk, constants, p):
    return array("i", (KERNELS.split().index(name), macs, work, chunk) + constants), p


def _size(tensor):
    return tensor.elements * (4 if tensor.type == FLOAT32 else 1)


class Planner:
    """Follows the activations of a model through its operators, in order. ``blocks``: tensor index -> index of its block.

    ``states``: a `states.States`, or None if there are none.
    """

    def __init__(self, model):
        self._model = model
        self._step = 0
        self._lives = []
        self._block = None  # index of the states' one
        self.states = None
        self.blocks = {}
        for i in model.inputs:
            self._born(i)

    def _born(self, index):
        tensor = self._model.tensors[index]
        if tensor.data or index in self.blocks:
            raise ModelError("tensor %d is written twice, or is a constant" % index)
        if tensor.type not in (INT8, UINT8, FLOAT32):
            from .opnames import type_name

            raise Unsupported("tensor %d is %s: activations must be INT8" % (index, type_name(tensor.type)))
        if tensor.variable:
            raise Unsupported("tensor %d is a variable, and written by an operator" % index)
        self._room(index, _size(tensor))

    def _room(self, index, size):
        self.blocks[index] = len(self._lives)
        self._lives.append((self._step, self._step, size, None, 0))

    def _keep(self, index):
        block = self.blocks[index]
        first, _, size, source, how = self._lives[block]
        self._lives[block] = first, self._step, size, source, how

    def follow(self, op):
        """The next operator reads and writes. Returns the constants (`Tensor`) that are to be read into the arena before, as it
        takes them where it takes activations.
        """
        self._step += 1
        constants = []
        if op.code in (CALL_ONCE, VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE, SVDF, LSTM):
            self._remember(op)
        for i in op.inputs:
            if i < 0:
                continue
            if i in self.blocks:
                self._keep(i)
            else:
                tensor = self._model.tensors[i]
                if not tensor.data:
                    raise ModelError("operator %d reads tensor %d, which nothing wrote" % (self._step - 1, i))
                if op.code in (ADD, CONCATENATION, MUL, SUB) and tensor.type == INT8:
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

            self.states = States(self._model.tensors)
            self._block = len(self._lives)
            self._lives.append((0, 0, 0, None, 0))
        self.states.follow(op)
        for i in self.states.offset:
            if self.blocks.get(i, self._block) != self._block:
                raise ModelError("tensor %d is a state, and something else" % i)
            self.blocks[i] = self._block

    def place(self, op, layer, chunk):
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
            self._room(-self._step, (chunk + 3 & -4) + layer.scratch)

    def finish(self):
        """(offsets in the arena, by tensor index, and of the operators' places to work; bytes of all)"""
        self._step += 1
        for i in self._model.outputs:
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
            self.states.at = offsets[self._block]
        if total > MAX_ARENA:
            raise Unsupported("an arena of %d bytes: at most %d" % (total, MAX_ARENA))
        return {i: offsets[b] + at.get(i, 0) for i, b in self.blocks.items()}, total


def place(blocks):
    """Offsets for blocks ``[first, last, size, input, how]``, alive from step ``first`` to step ``last``, both included.

    ``input`` is the index of the block that this one may lie over, as ``how`` allows, if that one dies where this one is born;
    None: none. Returns (offsets in the order of ``blocks``, total bytes). Blocks alive together overlap in no other way.
    Largest first, each into the lowest gap that holds it: a few per cent above the lower bound on the models looked at.
    """
    offsets = [0] * len(blocks)
    placed = []  # (offset, index), by offset
    total = 0
    for i in [i for _, _, i in sorted([(-b[2], b[0], i) for i, b in enumerate(blocks)])]:
        first, last, size, source, _ = blocks[i]
        rivals = [(offset, j) for offset, j in placed if blocks[j][0] <= last and first <= blocks[j][1]]
        at = 0
        over = []
        for offset, j in rivals:
            if offset < at + size:
                at = max(at, offset + blocks[j][2] + 3 & -4)
            if source == j:
                over.append(offset)
            elif blocks[j][3] == i:
                over.append(offset + blocks[j][2] - size + 3 & -4)  # the longer output was placed first
        for offset in over:
            if offset < at and _fits(blocks, rivals, i, offset):
                at = offset
        offsets[i] = at
        placed.append((at, i))
        placed.sort()
        total = max(total, at + size)
    return offsets, total + 3 & -4


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
