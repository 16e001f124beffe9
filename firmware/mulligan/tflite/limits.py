"""The limits of a model. What is beyond them is refused. Constants only: they fold into what imports them."""

# Bytes of a file.
MAX_FILE = 16 * 1024 * 1024
MAX_OPS = 256
MAX_TENSORS = 1024
# Inputs or outputs of one operator, or of the model.
MAX_OPERANDS = 24
MAX_RANK = 6
# Elements of one tensor.
MAX_ELEMENTS = 1 << 24
# Largest side, stride or window of an image.
MAX_SIDE = 4096
# Elements under a dot product: keeps the sum of 255 * 255 * k within 32 bits.
MAX_DOT = 65536
# Output channels of one operator; keeps each table within 40 KB.
MAX_CHANNELS = 4096
# Output channels of a whole model.
MAX_ALL_CHANNELS = 32768
# Multiply-accumulates (or element operations) of one inference: bounds the time that a model can take.
MAX_MACS = 1 << 26
# Bytes of an arena.
MAX_ARENA = 512 * 1024
# Bytes of scratch for one thing: a patch, a plane, accumulators.
MAX_SCRATCH = 16384
# Bytes of accumulators, and of gathered patches, that are aimed at: more would gain nothing.
BLOCK = 2048
# Bytes of constants that are read at a time.
READ = 4096
