"""Plans the arena: where each activation lies, memory being used again as soon as its last reader has run."""

from ..core.errors import ModelError, Unsupported
from .graph import INT8, type_name

#: Largest arena that is planned, in bytes.
MAX_ARENA = 512 * 1024

RESHAPE = 22
_ALIGN = 4


def place(blocks):
    """Offsets for blocks ``(first, last, size)``, alive from step ``first`` to step ``last``, both included.

    Returns (offsets in the order of ``blocks``, total bytes). Blocks alive together never overlap. Largest first, each into the
    lowest gap that holds it: a few per cent above the lower bound on the models that were looked at.
    """
    offsets = [0] * len(blocks)
    placed = []  # (offset, index), by offset
    total = 0
    for i in sorted(range(len(blocks)), key=lambda i: (-blocks[i][2], blocks[i][0])):
        first, last, size = blocks[i]
        size = (size + _ALIGN - 1) & -_ALIGN
        at = 0
        for offset, j in placed:
            other = blocks[j]
            if other[0] <= last and first <= other[1]:
                if at + size <= offset:
                    break
                at = max(at, (offset + other[2] + _ALIGN - 1) & -_ALIGN)
        offsets[i] = at
        placed.append((at, i))
        placed.sort()
        total = max(total, at + size)
    return offsets, total


def plan(graph):
    """(offset in the arena of each activation, by tensor index; bytes of the arena).

    A RESHAPE moves nothing: its output lies where its input does.
    Raises: ModelError (an op reads what no op before it wrote, or writes a constant, an input, or what is written already),
    Unsupported (an activation that isn't int8, an arena above `MAX_ARENA`).
    """
    blocks = []  # [first, last, size]
    block_of = {}  # tensor index -> index into blocks

    def born(index, step):
        tensor = graph.tensor(index)
        if tensor.data or index in block_of:
            raise ModelError("tensor %d is written twice, or is a constant" % index)
        if tensor.type != INT8:
            raise Unsupported("tensor %d is %s: activations must be INT8" % (index, type_name(tensor.type)))
        block_of[index] = len(blocks)
        blocks.append([step, step, tensor.elements])

    for i in graph.inputs:
        born(i, 0)
    for step, op in enumerate(graph.ops, 1):
        for i in op.inputs:
            if i in block_of:
                blocks[block_of[i]][1] = step
            elif i >= 0 and not graph.tensor(i).data:
                raise ModelError("operator %d reads tensor %d, which nothing wrote" % (step - 1, i))
        for i in op.outputs:
            born(i, step)
        if op.code == RESHAPE and op.inputs and op.inputs[0] in block_of and len(op.outputs) == 1:
            blocks.pop()
            block_of[op.outputs[0]] = block_of[op.inputs[0]]
    for i in graph.outputs:
        if i not in block_of:
            raise ModelError("no operator writes output tensor %d" % i)
        blocks[block_of[i]][1] = len(graph.ops) + 1
    offsets, total = place(blocks)
    if total > MAX_ARENA:
        raise Unsupported("an arena of %d bytes: at most %d" % (total, MAX_ARENA))
    return {i: offsets[b] for i, b in block_of.items()}, total
