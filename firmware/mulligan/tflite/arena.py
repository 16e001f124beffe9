"""Plans the arena: where each activation lies, memory being used again as soon as its last reader has run."""

from .codes import BEFORE


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
