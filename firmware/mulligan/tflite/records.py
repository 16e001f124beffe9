"""What the passes over a model hand on to each other: records without code, so that nothing else of a pass stays in memory."""

from collections import namedtuple

#: What `graph.read` finds. ops: `Op` of each operator that is run, in order; tensors: index -> `Tensor`, of all that these read
#: and write; inputs, outputs: tensor indices of the model.
Model = namedtuple("Model", "ops tensors inputs outputs")

#: code: BuiltinOperator; inputs, outputs: tensor indices, -1 for an optional input left out; options, family: as `graph` says.
Op = namedtuple("Op", "code inputs outputs options family")

#: data, bytes: where a constant lies in the file and how long it is; 0, 0 for an activation. values: of a constant of at most 16
#: int32s, or of one int8; else none. scales: how many there are; scale: the bits of the first, a float32; scale_at: where they
#: lie; zero: the zero point, 0 if there are several; axis: the dimension that they belong to. variable: it keeps its value from
#: one inference to the next.
Tensor = namedtuple("Tensor", "index type shape elements data bytes values scales scale scale_at zero axis variable")

#: What an operator comes to. macs: multiply-accumulates of an inference (element operations where there are none), 0 if there is
#: nothing to run; kernel: its name; p: array("i") of its parameters; places: (index in p, tensor that lies there or SCRATCH),
#: what p holds being added; over: (position of an input, how the output may lie to it: SAME, BEFORE or a number), None: apart;
#: chunk, scratch: bytes of the arena that it wants for constants at a time, and to work in; weights: (position in the file,
#: bytes, bytes of a call of the kernel), None for none; channels: what `channels` takes, None if p is whole; count: channels
#: that constants are kept for.
Layer = namedtuple("Layer", "macs kernel p places over chunk scratch weights channels count")
