"""The second pass over a model: each operator is checked, by its family, and becomes a `layer.Layer`.

A family is a module here, and is in memory only while its operators are looked at. To add an operator:

1. A line in `graph`: its BuiltinOperator code, its family, its options.
2. ``ops/NAME.py`` with ``prepare(op, xs, ys)``, which checks all that the kernel relies on (types, ranks, each dimension against
   each other, the output's shape as computed, lengths, quantisation, that operands are constants where they must be; `layer` and
   `window` have what families share) and returns a `Layer`. It raises ModelError where operands contradict each other, and
   Unsupported, by name, for what isn't done. ``xs``, ``ys``: the `Tensor` of each input (None for one left out) and output; one
   without ``data`` is an activation.
3. ``kernels/NAME.py``, the plain kernel, and ``kernels/NAME_viper.py``: see `kernels`.

A family whose work is more than one kernel called over and over is done by a module of the same name in `recurrent`.
"""

from ...borrow import Borrowed


def layers(model):
    """The `Layer` of each operator of a `Model`. Raises: ModelError, Unsupported."""
    found = [None] * len(model.ops)
    for name in {op.family for op in model.ops}:
        with Borrowed("tflite.ops." + name) as family:
            for i, op in enumerate(model.ops):
                if op.family == name:
                    xs, ys = [[model.tensors.get(j) for j in indices] for indices in (op.inputs, op.outputs)]
                    found[i] = family.prepare(op, xs, ys)
    return found
