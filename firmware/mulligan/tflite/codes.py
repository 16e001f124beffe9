"""TensorFlow Lite's codes, and ours for what the passes over a model say to each other. Constants only: they fold into what
imports them.
"""

# Types of tensors (TensorType).
FLOAT32 = 0
INT32 = 2
UINT8 = 3
INT16 = 7
INT8 = 9
RESOURCE = 13

# Operators that need to be told from others (BuiltinOperator).
ADD = 0
CONCATENATION = 2
DEQUANTIZE = 6
LOGISTIC = 14
MUL = 18
RELU = 19
RELU6 = 21
RESHAPE = 22
SVDF = 27
TANH = 28
PAD = 34
TRANSPOSE = 39
SUB = 41
LSTM = 44
STRIDED_SLICE = 45
SPLIT = 49
PADV2 = 60
EXPAND_DIMS = 70
LEAKY_RELU = 98
HARD_SWISH = 117
CALL_ONCE = 129
VAR_HANDLE = 142
READ_VARIABLE = 143
ASSIGN_VARIABLE = 144

# How an operator's output may lie to its input, where that dies with it. SAME: they are one (nothing moves). BEFORE: the output
# begins and ends no later than the input does. A number above 0: within the input, so many bytes from its start, or a multiple.
SAME = 0
BEFORE = -1

# In ``places`` of a `Layer`: not a tensor, but what the layer works in.
SCRATCH = -1

# What a matrix of patches is to `kernels.gemm`.
PATCHES = 0
WINDOW = 1
APART = 2

# The kernels that a step may have, by number.
KERNELS = "constant gemm depthwise slide pool elementwise move lookup mean softmax quantise widen svdf lstm"
