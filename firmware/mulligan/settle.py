"""What the device has in memory before anything else. Called once."""

import sys

from .borrow import Borrowed, forget

# What holds machine code, whose memory a port never takes back, stays. It is imported from here, as each level of imports
# takes stack.
_RESIDENT = (
    "mulligan.core.blend_viper",
    "mulligan.core.huffman_viper",
    "mulligan.core.p256_field",
    "mulligan.core.symbols_viper",
    "mulligan.tflite.interpreter",
)
# Of a convolutional model, as the families of operators below; others come with the first model that wants them.
_KERNELS = "int8 gemm depthwise pool softmax"
_BORROWED = (
    "port.partitions startup settings core.bootchooser trial core.slot planes.model engines.native admission rotation signature "
    "core.p256_check install resume core.inflate tflite.loader tflite.graph tflite.ops.conv tflite.ops.depthwise "
    "tflite.ops.pool tflite.ops.softmax tflite.ops.reshape tflite.plan tflite.layers port.http port.secure core.events upstream"
)


def settle():
    """Import and forget each of these modules once, before anything else is in memory.

    The names that a module brings stay in memory for ever, wherever they first came to lie. Later they would lie between its
    code and cut the heap into pieces when that is given back; now, what comes next fills the gaps.
    """
    for name in _RESIDENT:
        try:
            __import__(name)
        except (ImportError, SyntaxError, ValueError):
            pass  # no native emitter, or .mpy of another architecture: there is a plain form
    for name in _KERNELS.split():
        sys.modules["mulligan.tflite.kernels"].get(name)
    for name in _BORROWED.split():
        with Borrowed(name):
            pass
    forget(__name__)  # it is not needed again
