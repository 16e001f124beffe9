"""The last pass over a model, when its arena is there: each layer becomes a step, its constants worked out."""

from array import array

from ..borrow import collect
from . import channels
from .codes import KERNELS


def load(engine, plan):
    """The steps of a model: [kernel, its parameters, macs, offset of its place to work in, and of its constants: position in the
    file, bytes, bytes of a call, None in place of `Interpreter.bind`'s views]. Those of ``plan``, a `plan.Plan`, are used up.

    Raises: ModelError, Unsupported.
    """
    before, after = plan.flips
    found = _flips(engine, before)
    last = _flips(engine, after)
    if plan.states:
        from . import memory

        first, after = memory.load(engine, *plan.states)
        found.append([first, None, 0, 0, 0, 0, 0, None])
        last.insert(0, [after, None, 0, 0, 0, 0, 0, None])
    plan.steps.reverse()
    while plan.steps:
        collect()
        words = plan.steps.pop()
        kernel, macs, work, chunk, data, size, piece, n = words[:8]
        name = KERNELS.split(" ")[kernel]
        constants = words[8 : 8 + n]
        p = words[8 + n :]
        words = None
        reader = channels.Pieces(engine, work, chunk)
        if name in ("svdf", "lstm"):
            from . import recurrent_load

            found.append([getattr(recurrent_load, name)(engine, p, constants, reader), None, macs, 0, 0, 0, 0, None])
            continue
        if n:
            p = channels.table(reader, constants, p)
            bias, zero, inner = constants[4:7]
            channels.fold(reader, p, p[0], data, size, bias, zero, inner, p[2])
            if name == "gemm":
                p[34] = reader.mapped
        found.append([getattr(engine.kernel(name), name), p, macs, work, data, size, piece, None])
    return found + last


def _flips(engine, places):
    return [[engine.kernel("int8").flip, array("i", place), 0, 0, 0, 0, 0, None] for place in places]
