"""CALL_ONCE: what the subgraph that runs before all else assigns."""

from ..core.model_errors import Unsupported
from .codes import ASSIGN_VARIABLE, VAR_HANDLE
from .graph import Graph


def read(source, number):
    """[(container, shared name of a variable, the `Tensor` that it is assigned, a constant)] by a subgraph that does nothing
    else.

    Raises: ModelError, Unsupported.
    """
    graph = Graph(source, number)
    names = {}
    found = []
    for i in range(graph.op_count):
        code, inputs, outputs = graph.operands(i)
        if code == VAR_HANDLE and len(outputs) == 1:
            names[outputs[0]] = graph.op(i).options
        elif code == ASSIGN_VARIABLE and len(inputs) == 2 and not outputs and inputs[0] in names and inputs[1] >= 0:
            tensor = graph.tensor(inputs[1])
            if not tensor.data or tensor.bytes != tensor.elements:
                raise Unsupported("a CALL_ONCE that assigns no constant")
            found.append(tuple(names[inputs[0]]) + (tensor,))
        else:
            raise Unsupported("a CALL_ONCE that does more than assign constants")
    return found
