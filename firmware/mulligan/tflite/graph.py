"""The graph of a .tflite file: what its tensors and operators are, checked one by one.

Source of the field numbers: TensorFlow Lite's schema.fbs. Nothing here is kept after a model is built; `Graph.tensor` reads a
tensor anew each time it is asked.
"""

from collections import namedtuple

from ..core.model_errors import ModelError, Unsupported
from .flatbuffer import Reader

MAX_OPS = 256
MAX_TENSORS = 1024
MAX_OPERANDS = 24  # inputs or outputs of one operator, or of the model
MAX_RANK = 6
MAX_ELEMENTS = 1 << 24  # of one tensor

FLOAT32 = 0
INT32 = 2
UINT8 = 3
INT16 = 7
INT8 = 9
RESOURCE = 13

#: code: BuiltinOperator; inputs, outputs: tensor indices, -1 for an optional input left out; options: position of the options
#: table, 0 if none; kind: BuiltinOptions, which table that is.
Op = namedtuple("Op", "code inputs outputs options kind")

#: data, bytes: where a constant lies in the file and how long it is; 0, 0 for an activation.
#: scale_at, scales: position and count of the float32 scales; zeros_at, zeros: of the int64 zero points; axis: the dimension
#: that they belong to. variable: it keeps its value from one inference to the next.
Tensor = namedtuple("Tensor", "index type shape elements data bytes scale_at scales zeros_at zeros axis variable")


def type_name(code):
    """The schema's name of a tensor type."""
    from . import opnames  # in memory only for a message

    return opnames.type_name(code)


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
        codes = self._codes(root)
        at, count = r.vector(root, 2, 4)
        if not 0 <= number < count:
            raise ModelError("subgraph %d of %d" % (number, count))
        sub = r.table(at + 4 * number)
        self._buffers, self._buffer_count = r.vector(root, 4, 4)
        self._tensors, self.tensor_count = r.vector(sub, 0, 4)
        if self.tensor_count > MAX_TENSORS:
            raise Unsupported("%d tensors: at most %d" % (self.tensor_count, MAX_TENSORS))
        self.inputs = self._ends(sub, 1, "inputs", number)
        self.outputs = self._ends(sub, 2, "outputs", number)
        at, count = r.vector(sub, 3, 4)
        if not 1 <= count <= MAX_OPS:
            raise Unsupported("%d operators: 1 to %d are run" % (count, MAX_OPS))
        self._ops = at
        self.op_count = count
        self._operator_codes = codes

    def _codes(self, root):
        r = self.reader
        at, count = r.vector(root, 1, 4)
        if count > MAX_OPS:
            raise Unsupported("%d operator codes: at most %d" % (count, MAX_OPS))
        codes = []
        for i in range(count):
            t = r.table(at + 4 * i)
            # Older files have the code in a byte only; newer ones have both, and the larger one counts.
            codes.append(max(r.byte(t, 0), r.int(t, 3)))
        return codes

    def _indices(self, table, field, lowest, what):
        r = self.reader
        at, count = r.vector(table, field, 4)
        if count > MAX_OPERANDS:
            raise Unsupported("%d %s: at most %d" % (count, what, MAX_OPERANDS))
        found = tuple([r.i32(at + 4 * i) for i in range(count)])
        for i in found:
            if not lowest <= i < self.tensor_count:
                raise ModelError("%s name tensor %d of %d" % (what, i, self.tensor_count))
        return found

    def _ends(self, sub, field, what, number):
        found = self._indices(sub, field, 0, what)
        if number and found:
            raise Unsupported("subgraph %d has %s" % (number, what))
        if not number and (not found or len(set(found)) != len(found)):
            raise ModelError("the model's %s are none, or name a tensor twice" % what)
        return found

    def op(self, i):
        """The `Op` at place ``i`` of the order in which they run."""
        r = self.reader
        t = r.table(self._ops + 4 * i)
        codes = self._operator_codes
        at = r.field(t, 0, 4)
        code = r.u32(at) if at else 0
        if code >= len(codes):
            raise ModelError("operator code %d of %d" % (code, len(codes)))
        return Op(codes[code], self._indices(t, 1, -1, "operator inputs"), self._indices(t, 2, 0, "operator outputs"),
                  r.child(t, 4), r.byte(t, 3))  # fmt: skip

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
        if not 0 <= buffer < self._buffer_count:
            raise ModelError("tensor %d names buffer %d of %d" % (index, buffer, self._buffer_count))
        b = r.table(self._buffers + 4 * buffer)
        if r.field(b, 1, 8):
            raise Unsupported("tensor %d keeps its data outside the flatbuffer" % index)
        data, size = r.vector(b, 0, 1)
        q = r.child(t, 4)
        if r.child(q, 5):
            raise Unsupported("tensor %d has a custom quantisation" % index)
        scale_at, scales = r.vector(q, 2, 4)
        zeros_at, zeros = r.vector(q, 3, 8)
        return Tensor(index, r.byte(t, 1), shape, elements, data if size else 0, size,
                      scale_at, scales, zeros_at, zeros, r.int(q, 6), r.byte(t, 5))  # fmt: skip

    def string(self, table, index):
        """The bytes of a string field; none if it is absent. Raises: Unsupported above 128."""
        at, count = self.reader.vector(table, index, 1)
        if count > 128:
            raise Unsupported("a name of %d characters" % count)
        return bytes([self.reader.u8(at + i) for i in range(count)])

    def zero_point(self, tensor, i=0):
        """Zero point ``i`` of a tensor, 0 if it has none. Raises: ModelError outside int8's range, or uint8's for a UINT8."""
        if i >= tensor.zeros:
            return 0
        at = tensor.zeros_at + 8 * i
        low = self.reader.i32(at)
        least = 0 if tensor.type == UINT8 else -128
        if not least <= low <= least + 255 or self.reader.i32(at + 4) != (-1 if low < 0 else 0):
            raise ModelError("tensor %d has a zero point outside its 8 bits" % tensor.index)
        return low

    def scale(self, tensor, i=0):
        """The bits of the float32 scale ``i`` of a tensor. Raises: ModelError if it has no such scale."""
        if i >= tensor.scales:
            raise ModelError("tensor %d has no scale %d" % (tensor.index, i))
        return self.reader.u32(tensor.scale_at + 4 * i)
