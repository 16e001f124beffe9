"""Make the small models of this directory and the outputs expected of them. Needs TensorFlow and ai-edge-litert 1.2.0.

Usage: python make_layers.py [DIRECTORY [SEED COUNT]]. Without SEED and COUNT it makes the committed set, ``LAYERS``; with them,
COUNT models of random layers, for a wider check than the repository has room for.

For each model NAME.tflite there is NAME.out: the outputs, back to back, for ``INPUTS`` inputs. Their bytes come from a
linear congruential generator (``inputs``), which tests/tflite/test_layers.py has too.
"""

import random
import sys
from pathlib import Path

import flatbuffers
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tensorflow.lite.python import schema_py_generated as schema

INPUTS = 8

# (input shape, layers, per channel). Layers: C filters kernel stride padding activation; D multiplier kernel stride padding
# activation; F units activation; M and A size stride padding (max and average pooling); S (softmax); R shape (reshape).
LAYERS = {
    "conv_same_relu": ((7, 6, 3), "C:5:3:1:same:relu", True),
    "conv_same_s2_none": ((8, 9, 2), "C:6:3:2:same:none", True),
    "conv_valid_s2_relu6": ((9, 8, 4), "C:4:2,3:2:valid:relu6", True),
    "conv_per_tensor": ((6, 6, 3), "C:7:3,2:1:same:relu C:3:5:3:same:none", False),
    "conv_1x1": ((5, 5, 9), "C:11:1:1:valid:relu C:5:1:2:valid:relu6", True),
    "conv_relu_n1": ((6, 5, 1), "C:4:4,1:2,1:same:relu_n1_to_1", True),
    "conv_long": ((3, 3, 460), "C:1:3:1:same:none", True),
    "depthwise_same": ((7, 8, 5), "D:1:3:1:same:relu", True),
    "depthwise_s2": ((9, 9, 4), "D:1:3:2:same:relu6 D:1:3:2:valid:none", True),
    "depthwise_multiplier": ((6, 7, 3), "D:3:2:1:valid:relu D:2:5:2:same:none", True),
    "depthwise_per_tensor": ((8, 4, 6), "D:2:3:1:same:none", False),
    "depthwise_wide": ((3, 3, 460), "D:1:3:1:valid:none", False),
    "dense": ((33,), "F:17:relu F:9:relu6 F:5:none", True),
    "dense_per_tensor": ((20,), "F:13:relu F:1:none", False),
    "dense_long": ((4200,), "F:1:none", False),
    "max_pool": ((7, 9, 3), "M:2:2:valid M:3:2:same", True),
    "average_pool": ((9, 7, 5), "A:3,2:2,1:same A:2:2:valid", True),
    "softmax": ((12,), "F:10:none S", True),
    "softmax_rows": ((6, 5), "S", True),
    "classifier": (
        (12, 12, 1),
        "C:8:3:1:same:relu M:2:2:valid D:1:3:1:same:relu6 C:6:1:1:valid:relu A:6:6:valid R:6 F:4:none S",
        True,
    ),
}


def inputs(count: int, size: int, seed: int = 1) -> np.ndarray:
    """``count`` inputs of ``size`` int8: bits 16 to 23 of x = x * 1103515245 + 12345 modulo 2**31."""
    out = np.empty(count * size, np.uint8)
    for i in range(out.size):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        out[i] = seed >> 16 & 0xFF
    return out.view(np.int8).reshape(count, size)


def build(shape: tuple[int, ...], layers: str) -> tf.keras.Model:
    """The Keras model that a line of ``LAYERS`` describes, its weights from NumPy's generator."""
    model = tf.keras.Sequential([tf.keras.Input(shape, batch_size=1)])
    activations = {"none": None, "relu": "relu", "relu6": tf.nn.relu6, "relu_n1_to_1": lambda v: tf.clip_by_value(v, -1.0, 1.0)}

    def pair(text: str) -> tuple[int, int]:
        a, *b = map(int, text.split(","))
        return a, b[0] if b else a

    for word in layers.split():
        kind, *a = word.split(":")
        if kind == "C":
            options = {"strides": pair(a[2]), "padding": a[3], "activation": activations[a[4]]}
            model.add(tf.keras.layers.Conv2D(int(a[0]), pair(a[1]), **options))
        elif kind == "D":
            options = {"strides": pair(a[2]), "padding": a[3], "activation": activations[a[4]]}
            model.add(tf.keras.layers.DepthwiseConv2D(pair(a[1]), depth_multiplier=int(a[0]), **options))
        elif kind == "F":
            model.add(tf.keras.layers.Dense(int(a[0]), activation=activations[a[1]]))
        elif kind in "MA":
            pool = tf.keras.layers.MaxPooling2D if kind == "M" else tf.keras.layers.AveragePooling2D
            model.add(pool(pair(a[0]), strides=pair(a[1]), padding=a[2]))
        elif kind == "S":
            model.add(tf.keras.layers.Softmax())
        elif kind == "R":
            model.add(tf.keras.layers.Reshape([int(n) for n in a[0].split(",")]))
    return model


def convert(shape: tuple[int, ...], layers: str, per_channel: bool, seed: int) -> bytes:
    """The int8 .tflite of such a model, without names, metadata and signatures."""
    rng = np.random.default_rng(seed)
    model = build(shape, layers)
    model.set_weights([rng.normal(0, 0.3 if w.ndim > 1 else 0.2, w.shape).astype(np.float32) for w in model.get_weights()])
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: [[rng.normal(0, 1.5, (1, *shape)).astype(np.float32)] for _ in range(20)]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter._experimental_disable_per_channel = not per_channel
    converter._experimental_disable_per_channel_quantization_for_dense_layers = not per_channel
    bare = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(bytearray(converter.convert()), 0))
    bare.metadata = bare.metadataBuffer = bare.signatureDefs = bare.description = None
    used = {t.buffer for t in bare.subgraphs[0].tensors}
    for i, buffer in enumerate(bare.buffers):
        if i not in used:
            buffer.data = None
    for tensor in bare.subgraphs[0].tensors:
        tensor.name = None
        if tensor.quantization is not None:
            tensor.quantization.min = tensor.quantization.max = None
    builder = flatbuffers.Builder(0)
    builder.Finish(bare.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def expected(model: bytes) -> bytes:
    """What the reference kernels, with double rounding, make of ``inputs``."""
    runner = Interpreter(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    runner.allocate_tensors()
    (x,), (y,) = runner.get_input_details(), runner.get_output_details()
    found = []
    for row in inputs(INPUTS, int(np.prod(x["shape"]))):
        runner.set_tensor(x["index"], row.reshape(x["shape"]))
        runner.invoke()
        found.append(runner.get_tensor(y["index"]).tobytes())
    return b"".join(found)


def random_layers(rng: random.Random) -> tuple[tuple[int, ...], str, bool]:
    """One model of one or two random image layers."""
    shape = (rng.randint(3, 12), rng.randint(3, 12), rng.choice([1, 2, 3, 4, 7, 8, 16]))
    words = []
    for i in range(rng.randint(1, 2)):
        size = f"{rng.randint(1, 3 - i)},{rng.randint(1, 3 - i)}" if rng.random() < 0.7 else str(rng.randint(1, 3 - i))
        stride = str(rng.randint(1, 3 - 2 * i))
        padding = rng.choice(["same", "valid"]) if i == 0 else "same"
        activation = rng.choice(["none", "relu", "relu6", "relu_n1_to_1"])
        kind = rng.choice("CCDDMA")
        if kind in "MA":
            words.append(f"{kind}:{size}:{stride}:{padding}")
        else:
            words.append(f"{kind}:{rng.randint(1, 3 if kind == 'D' else 20)}:{size}:{stride}:{padding}:{activation}")
    return shape, " ".join(words), rng.random() < 0.7


def main(directory: str = str(Path(__file__).parent), seed: str = "", count: str = "") -> None:
    rng = random.Random(seed)
    layers = {f"random_{seed}_{i}": random_layers(rng) for i in range(int(count))} if seed else LAYERS
    for i, (name, (shape, words, per_channel)) in enumerate(layers.items()):
        model = convert(shape, words, per_channel, i)
        Path(directory, name + ".tflite").write_bytes(model)
        Path(directory, name + ".out").write_bytes(expected(model))


main(*sys.argv[1:])
