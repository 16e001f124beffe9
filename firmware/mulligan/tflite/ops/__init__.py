"""The operators: which family does which, and the one door to them, `prepare`. Needed only while a model is loaded.

A family is a module here, and is imported only for a model that uses it. To add an operator:

1. A line in `FAMILIES`: its BuiltinOperator code and its module's name.
2. ``ops/NAME.py`` with ``prepare(graph, op, at)``, which checks all that the kernel relies on (types, ranks, each dimension
   against each other, the output's shape as computed, lengths, quantisation, that operands are constants where they must be;
   `layer` and `window` have what families share) and returns a `layer.Layer`. It raises ModelError where operands contradict
   each other, and Unsupported, by name, for what isn't done. ``at`` has the offset in the arena of each activation, by tensor
   index; a tensor that it hasn't is a constant. ``prepare`` is called twice for each operator: while the arena is planned, when
   ``at`` only tells who is an activation, and then to load it.
3. ``kernels/NAME.py``, the plain kernel, and ``kernels/NAME_viper.py``: see `kernels`.

The layer's ``load(rt)`` makes what runs, in most cases a `step.Step` with the kernel and its parameters; a family whose work is
more than one kernel called over and over has a class of its own with ``macs`` and ``run(rt)``, in a module that stays.
"""

import sys

from ...borrow import SHORT, collect
from ...core.model_errors import Unsupported

FAMILIES = {
    0: "elementwise",  # ADD
    1: "pool",
    2: "move",  # CONCATENATION
    3: "conv",
    4: "depthwise",
    6: "quantise",  # DEQUANTIZE
    9: "dense",
    14: "lookup",  # LOGISTIC
    17: "pool",
    18: "elementwise",  # MUL
    19: "lookup",  # RELU
    21: "lookup",  # RELU6
    22: "reshape",
    25: "softmax",
    27: "svdf",
    28: "lookup",  # TANH
    34: "move",  # PAD
    39: "move",  # TRANSPOSE
    40: "mean",
    41: "elementwise",  # SUB
    44: "lstm",
    45: "move",  # STRIDED_SLICE
    49: "move",  # SPLIT
    60: "move",  # PADV2
    98: "lookup",  # LEAKY_RELU
    102: "move",  # SPLIT_V
    114: "quantise",
    117: "lookup",  # HARD_SWISH
    129: "variables",  # CALL_ONCE
    142: "variables",  # VAR_HANDLE
    143: "move",  # READ_VARIABLE
    144: "move",  # ASSIGN_VARIABLE
}


def family(name):
    """The module of a family. On a device the one before it is forgotten: one at a time is in memory."""
    path = __name__ + "." + name
    if SHORT and path not in sys.modules:
        for other in list(sys.modules):
            if other.startswith(__name__ + ".") and not other.endswith(".layer"):
                del sys.modules[other]
                delattr(sys.modules[__name__], other.rpartition(".")[2])
        collect()
    return __import__(path, None, None, ("",))


def prepare(graph, op, at):
    """The `layer.Layer` of an operator. Raises: ModelError, Unsupported."""
    name = FAMILIES.get(op.code)
    if name is None:
        from ..opnames import op_name

        raise Unsupported("operator %s is not supported" % op_name(op.code))
    return family(name).prepare(graph, op, at)
