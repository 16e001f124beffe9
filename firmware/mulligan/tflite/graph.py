"""The first pass over a model: its operators and tensors are read and checked one by one, and put into records.

Source of the field numbers: TensorFlow Lite's schema.fbs. Nothing here is kept once a model is read.
"""

from collections import namedtuple

from ..core.model_errors import ModelError, Unsupported
from .codes import CALL_ONCE, EXPAND_DIMS, INT8, INT32, RESHAPE, UINT8
from .flatbuffer import Reader
from .limits import MAX_ELEMENTS, MAX_OPERANDS, MAX_OPS, MAX_RANK, MAX_TENSORS

#: What `read` finds. ops: `Op` of each operator that is run, in order; tensors: index -> `Tensor`, of all that these read
#: and write; inputs, outputs: tensor indices of the model.
Model = namedtuple("Model", "ops tensors inputs outputs")

#: code: BuiltinOperator; inputs, outputs: tensor indices, -1 for an optional input left out; options, family: as `_OPERATORS`
#: says.
Op = namedtuple("Op", "code inputs outputs options family")

#: data, bytes: where a constant lies in the file and how long it is; 0, 0 for an activation. values: of a constant of at most 16
#: int32s, or of one int8; else none. scales: how many there are; scale: the bits of the first, a float32; scale_at: where they
#: lie; zero: the zero point, 0 if there are several; axis: the dimension that they belong to. variable: it keeps its value from
#: one inference to the next.
Tensor = namedtuple("Tensor", "index type shape elements data bytes values scales scale scale_at zero axis variable")

_MAX_VALUES = 16  # of a constant that is read at once

# BuiltinOperator; its family; which table its options are (BuiltinOptions); the fields of that table which are read, in order: a
# (b)yte, an (i)nt32 or the bits of a float32, an int32 that (I)s 1 unless the table says otherwise, or a (s)tring; - for none.
_OPERATORS = """
0 elementwise 11 b
1 pool 5 biiiib
2 move 10 ib
3 conv 1 biibII
4 depthwise 2 biiibII
6 quantise 38 -
9 dense 8 bb
14 lookup 0 -
17 pool 5 biiiib
18 elementwise 21 b
19 lookup 0 -
21 lookup 0 -
22 reshape 17 -
25 softmax 9 i
27 svdf 6 i
28 lookup 0 -
34 move 22 -
39 move 26 -
40 mean 27 b
41 elementwise 28 b
43 reshape 30 -
44 lstm 71 biibbb
45 move 32 iiiiib
49 move 35 -
60 move 43 -
70 reshape 52 -
98 lookup 75 i
102 move 79 -
114 quantise 89 -
117 lookup 91 -
129 variables 103 i
142 variables 111 ss
143 move 112 -
144 move 113 -
"""


def read(source):
    """The `Model` in ``source``, which has ``size`` and ``readinto(offset, buf)``. Raises: ModelError, Unsupported."""
    graph = Graph(source)
    wanted = set(graph.outputs)
    used = set(graph.inputs + graph.outputs)
    numbers = []
    for i in range(graph.op_count - 1, -1, -1):
        code, inputs, outputs = graph.operands(i)
        # What nobody reads only works out the shape for a RESHAPE.
        if not outputs or wanted.intersection(outputs):
            wanted.update(inputs)
            used.update(inputs + outputs)
            numbers.append(i)
    used.discard(-1)
    ops = [graph.op(i) for i in reversed(numbers)]
    return Model(ops, {i: graph.tensor(i) for i in used}, graph.inputs, graph.outputs)


class Graph:
    """``op_count``: how many operators there are; ``inputs``, ``outputs``: tensor indices of the model.

    ``number``: of the subgraph; 0 is the model itself, and others have neither inputs nor outputs.

    Raises: ModelError (malformed), Unsupported (more subgraphs or more of anything than the limits above).
    """

    def __init__(self, source, number=0):
        self.source = source
        self.reader = r = Reader(source, b"TFL3")
        root = r.table(0)
        if r.int(root, 0) != 3:
            raise Unsupported("schema version %d: only 3 is read" % r.int(root, 0))
        at, count = r.vector(root, 1, 4)
        if count > MAX_OPS:
            raise Unsupported("%d operator codes: at most %d" % (count, MAX_OPS))
        # Older files have the code in a byte only; newer ones have both, and the larger one counts.
        tables = [r.table(at + 4 * i) for i in range(count)]
        self._codes = [max(r.byte(t, 0), r.int(t, 3)) for t in tables]
        at, count = r.vector(root, 2, 4)
        if not 0 <= number < count:
            raise ModelError("subgraph %d of %d" % (number, count))
        sub = r.table(at + 4 * number)
        self._buffers = r.vector(root, 4, 4)
        self._tensors, self.tensor_count = r.vector(sub, 0, 4)
        if self.tensor_count > MAX_TENSORS:
            raise Unsupported("%d tensors: at most %d" % (self.tensor_count, MAX_TENSORS))
        self.inputs, self.outputs = ends = [self._indices(sub, field, 0) for field in (1, 2)]
        for found in ends:
            if number and found:
                raise Unsupported("subgraph %d has inputs or outputs" % number)
            if not number and (not found or len(set(found)) != len(found)):
                raise ModelError("the model's inputs or outputs are none, or name a tensor twice")
        self._ops, self.op_count = r.vector(sub, 3, 4)
        if not 1 <= self.op_count <= MAX_OPS:
            raise Unsupported("%d operators: 1 to %d are run" % (self.op_count, MAX_OPS))

    def _indices(self, table, field, least):
        r = self.reader
        at, count = r.vector(table, field, 4)
        if count > MAX_OPERANDS:
            raise Unsupported("%d inputs or outputs: at most %d" % (count, MAX_OPERANDS))
        found = tuple([r.i32(at + 4 * i) for i in range(count)])
        for i in found:
            if not least <= i < self.tensor_count:
                raise ModelError("inputs or outputs name tensor %d of %d" % (i, self.tensor_count))
        return found

    def operands(self, i):
        """(code, inputs, outputs) of the operator at place ``i`` of the order in which they run, whether it is known or not.

        The shape that a RESHAPE may take, or the place of a dimension, is left out: the output's shape is in the file.
        """
        r = self.reader
        t = r.table(self._ops + 4 * i)
        at = r.field(t, 0, 4)
        code = r.u32(at) if at else 0
        if code >= len(self._codes):
            raise ModelError("operator code %d of %d" % (code, len(self._codes)))
        code = self._codes[code]
        inputs = self._indices(t, 1, -1)
        return code, inputs[:1] if code in (RESHAPE, EXPAND_DIMS) else inputs, self._indices(t, 2, 0)

    def op(self, i):
        """The `Op` at that place. Raises: ModelError, Unsupported."""
        code, inputs, outputs = self.operands(i)
        at = _OPERATORS.find("\n%d " % code)
        if at < 0:
            from .opnames import name

            raise Unsupported("operator %s is not supported" % name(code))
        _, family, number, forms = _OPERATORS[at + 1 : _OPERATORS.find("\n", at + 1)].split()
        r = self.reader
        t = r.table(self._ops + 4 * i)
        table, kind = r.child(t, 4), r.byte(t, 3)
        if kind not in (0, int(number)) or (kind == 0) != (table == 0):
            raise ModelError("an operator has another one's options")
        options = []
        for form in forms:
            k = len(options)
            if form == "b":
                options.append(r.byte(table, k))
            elif form == "s":
                at, count = r.vector(table, k, 1)
                if count > 128:
                    raise Unsupported("a name of %d characters" % count)
                options.append(bytes([r.u8(at + j) for j in range(count)]))
            elif form != "-":
                options.append(r.int(table, k, int(form == "I")))
        if code == CALL_ONCE:
            from .once import read  # in memory only for models that need it

            options = read(self.source, options[0])
        return Op(code, inputs, outputs, options, family)

    def tensor(self, index):
        """The `Tensor` of that index; every dimension at least 1.

        Raises: ModelError, Unsupported (rank, size, dynamic or sparse shape, data kept outside the flatbuffer).
        """
        if not 0 <= index < self.tensor_count:
            raise ModelError("tensor %d of %d" % (index, self.tensor_count))
        r = self.reader
        t = r.table(self._tensors + 4 * index)
        at, rank = r.vector(t, 0, 4)
        if rank > MAX_RANK:
            raise Unsupported("tensor %d has rank %d: at most %d" % (index, rank, MAX_RANK))
        shape = tuple([r.i32(at + 4 * i) for i in range(rank)])
        elements = 1
        for d in shape:
            if d < 1:
                raise Unsupported("tensor %d has an empty or dynamic dimension" % index)
            elements *= d
            if elements > MAX_ELEMENTS:
                raise Unsupported("tensor %d has more than %d elements" % (index, MAX_ELEMENTS))
        if r.field(t, 6, 4):
            raise Unsupported("tensor %d is sparse" % index)
        buffer = r.int(t, 2)
        at, count = self._buffers
        if not 0 <= buffer < count:
            raise ModelError("tensor %d names buffer %d of %d" % (index, buffer, count))
        b = r.table(at + 4 * buffer)
        if r.field(b, 1, 8):
            raise Unsupported("tensor %d keeps its data outside the flatbuffer" % index)
        data, size = r.vector(b, 0, 1)
        data = data if size else 0
        kind = r.byte(t, 1)
        values = []
        if data and kind == INT32 and elements <= _MAX_VALUES and size == 4 * elements:
            values = [r.i32(data + 4 * i) for i in range(elements)]
        elif data and kind == INT8 and elements == size == 1:
            values = [r.u8(data)]
        q = r.child(t, 4)
        if r.child(q, 5):
            raise Unsupported("tensor %d has a custom quantisation" % index)
        scale_at, scales = r.vector(q, 2, 4)
        scale = r.u32(scale_at) if scales else 0
        zero = self._zero(index, q, scales, 0 if kind == UINT8 else -128)
        return Tensor(index, kind, shape, elements, data, size, values, scales, scale, scale_at, zero, r.int(q, 6), r.byte(t, 5))

    def _zero(self, index, q, scales, least):
        """The zero point of a tensor; 0 if each channel has one, which must all be 0."""
        r = self.reader
        at, count = r.vector(q, 3, 8)
        if count not in (0, 1, scales):
            raise ModelError("tensor %d has %d scales, %d zero points" % (index, scales, count))
        low = 0
        for i in range(at, at + 8 * count, 8):
            low = r.i32(i)
            if not least <= low <= least + 255 or r.i32(i + 4) != (-1 if low < 0 else 0):
                raise ModelError("tensor %d has a zero point outside its 8 bits" % index)
            if low and count > 1:
                raise Unsupported("tensor %d has a zero point for each channel" % index)
        return low
