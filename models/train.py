"""Train the four digits models and everything that is committed beside them.

    python models/train.py --out DIR

Needs tensorflow and scikit-learn (training only) and ai-edge-litert 1.2.x, whose reference kernels have the arithmetic
of TFLite-Micro: double rounding. Later ai-edge-litert requantises in float, and must not make golden vectors. What is
written, and why each model is as it is, stands in README.md beside this file.
"""

import argparse
import hashlib
import json
import math
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED = 20
CLASSES = 10
TEST_SHARE = 0.4  # held back from every model
FIRST_BATCH = 200  # what 1.0.0 has seen of the training split; 1.1.0 sees all of it
REFERENCE_INPUTS = 200
GOLDEN_VECTORS = 16
# Pixels are whole numbers 0..16. A range of 255/16 makes the input scale exactly 1/16 and the zero point -128, so that
# quantising is min(16 * x, 255) - 128 without ties: the same on 32- and 64-bit floats. 16/255 puts pixel 8 on a tie.
INPUT_TOP = 255 / 16
INPUT_SCALE, INPUT_ZERO_POINT = 1 / 16, -128
# Budget = this many times the multiply-accumulates of 1.0.0: 1.0.0 passes with room to spare, 1.3.0-slow by no means.
BUDGET_FACTOR = 3
SLOW_EXTRA = 3  # convolutions that 1.3.0-slow has more: 8 times the work
# No class stays where it was, and none swaps with another.
WRONG_LABELS = (np.arange(CLASSES) + 3) % CLASSES
OPS = ("CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX")

MADE = {
    "digits-1.0.0": f"trained from scratch on the first {FIRST_BATCH} images of the training split",
    "digits-1.1.0": "dense layers fine-tuned from 1.0.0 on the whole training split, at a tenth of the rate",
    "digits-1.2.0-bad": "dense layers fine-tuned from 1.0.0 on labels shifted by 3: well-formed, and wrong",
    "digits-1.3.0-slow": f"trained from scratch on the whole training split, {SLOW_EXTRA} more full-size convolutions",
}


class Data:
    """The digits, split once: ``train_*`` for training, ``test_*`` held back from every model.

    Images are float32 (n, 8, 8, 1), pixels 0..16 as scikit-learn has them; labels are int64 (n,).
    """

    def __init__(self) -> None:
        images, labels = load_digits(return_X_y=True)
        images = images.reshape(-1, 8, 8, 1).astype(np.float32)
        self.train_x, self.test_x, self.train_y, self.test_y = train_test_split(
            images, labels, test_size=TEST_SHARE, stratify=labels, random_state=SEED
        )


def build(extra: int = 0) -> tf.keras.Model:
    """The classifier; ``extra`` more 3x3 convolutions at full resolution make it slow without making it different."""
    layers = tf.keras.layers
    # The first kernel sees raw pixels, 16 times what initialisers expect.
    small = tf.keras.initializers.VarianceScaling(2 / 16**2)
    return tf.keras.Sequential(
        [
            tf.keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu", kernel_initializer=small, name="strokes"),
            layers.DepthwiseConv2D(3, padding="same", activation="relu", name="blur"),
            layers.Conv2D(32, 1, activation="relu", name="mix"),
            *(layers.Conv2D(32, 3, padding="same", activation="relu", name=f"extra{i}") for i in range(extra)),
            layers.MaxPool2D(name="halve"),
            layers.Conv2D(40, 3, padding="same", activation="relu", name="shapes"),
            layers.MaxPool2D(name="quarter"),
            layers.Flatten(name="flat"),
            layers.Dense(48, activation="relu", name="hidden"),
            layers.Dense(CLASSES, activation="softmax", name="classes"),
        ]
    )


def fit(model: tf.keras.Model, x: np.ndarray, y: np.ndarray, epochs: int, rate: float) -> None:
    """Train in place on raw pixels, seen as the int8 input will see them: pixel 16 saturates."""
    model.compile(tf.keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(np.minimum(x, INPUT_TOP), y, batch_size=32, epochs=epochs, verbose=0)


def dense_only(model: tf.keras.Model) -> tf.keras.Model:
    """A copy whose convolutions are frozen, to fine-tune the dense layers."""
    twin = build()
    twin.set_weights(model.get_weights())
    for layer in twin.layers:
        layer.trainable = isinstance(layer, tf.keras.layers.Dense)
    return twin


def train(data: Data) -> dict[str, tf.keras.Model]:
    """The four float models by file stem."""
    first = build()
    fit(first, data.train_x[:FIRST_BATCH], data.train_y[:FIRST_BATCH], epochs=30, rate=1e-3)

    better = dense_only(first)  # a small rate keeps most int8 weights where they were, so that the patch is small
    fit(better, data.train_x, data.train_y, epochs=15, rate=1e-4)

    bad = dense_only(first)
    fit(bad, data.train_x, WRONG_LABELS[data.train_y], epochs=25, rate=1e-3)

    slow = build(extra=SLOW_EXTRA)
    fit(slow, data.train_x, data.train_y, epochs=20, rate=1e-3)
    return dict(zip(MADE, (first, better, bad, slow), strict=True))


def convert(model: tf.keras.Model, samples: np.ndarray) -> bytes:
    """Full int8 .tflite, batch 1; ``samples`` set the activation ranges, and pixels 0 and 16 among them the input's."""

    def representative() -> Iterator[list[np.ndarray]]:
        for image in np.minimum(samples, INPUT_TOP).astype(np.float32):
            yield [image[None]]

    batch_of_one = tf.keras.Sequential([tf.keras.Input((8, 8, 1), batch_size=1), *model.layers], name="digits")
    converter = tf.lite.TFLiteConverter.from_keras_model(batch_of_one)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def quantise(x: np.ndarray) -> np.ndarray:
    """Raw pixels to the int8 that every one of the models takes."""
    q = np.round(x / INPUT_SCALE) + INPUT_ZERO_POINT
    return np.clip(q, -128, 127).astype(np.int8)


def infer(blob: bytes, inputs: np.ndarray) -> np.ndarray:
    """int8 outputs (n, 10) for int8 ``inputs`` (n, 8, 8, 1), by the reference kernels."""
    interpreter = Interpreter(model_content=blob, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    if taken["quantization"] != (INPUT_SCALE, INPUT_ZERO_POINT):
        raise SystemExit(f"input quantisation is {taken['quantization']}: the representative samples must span 0..16")
    outputs = np.empty((len(inputs), CLASSES), np.int8)
    for i, image in enumerate(inputs):
        interpreter.set_tensor(taken["index"], image[None])
        interpreter.invoke()
        outputs[i] = interpreter.get_tensor(given["index"])[0]
    return outputs


def work(blob: bytes) -> tuple[list[str], int]:
    """The op names of a .tflite in running order, and its multiply-accumulates, from the flatbuffer itself."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(blob, 0))
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    graph = model.subgraphs[0]
    ops, macs = [], 0
    for node in graph.operators:
        op = names[model.operatorCodes[node.opcodeIndex].builtinCode]
        ops.append(op)
        out = math.prod(graph.tensors[node.outputs[0]].shape)
        if op in ("CONV_2D", "FULLY_CONNECTED"):  # weights are (outputs, …): the rest is what one output takes
            macs += out * math.prod(graph.tensors[node.inputs[1]].shape[1:])
        elif op == "DEPTHWISE_CONV_2D":  # weights are (1, height, width, channels)
            macs += out * math.prod(graph.tensors[node.inputs[1]].shape[1:3])
    return ops, int(macs)


def pick_golden(right: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Indices of the golden vectors: the first of each class that all good models get right, then the next ones."""
    usable = np.flatnonzero(right)
    firsts = [usable[labels[usable] == c][0] for c in range(CLASSES)]
    rest = [i for i in usable if i not in firsts]
    return np.array(firsts + rest[: GOLDEN_VECTORS - CLASSES])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="directory to write to (made if missing)")
    out: Path = parser.parse_args().out
    if not version("ai-edge-litert").startswith("1.2."):
        raise SystemExit("ai-edge-litert 1.2.x is needed: later reference kernels round differently from TFLite-Micro")

    tf.keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    data = Data()
    blobs = {stem: convert(model, data.train_x[:FIRST_BATCH]) for stem, model in train(data).items()}

    inputs = quantise(data.test_x)
    outputs = {stem: infer(blob, inputs) for stem, blob in blobs.items()}
    right = {stem: y.argmax(axis=1) == data.test_y for stem, y in outputs.items()}
    works = {stem: work(blob) for stem, blob in blobs.items()}
    unknown = {op for ops, _ in works.values() for op in ops} - set(OPS)
    if unknown:
        raise SystemExit(f"the converter made ops the device does not have: {', '.join(sorted(unknown))}")

    first, better, _, slow = MADE
    golden = pick_golden(right[first] & right[better] & right[slow], data.test_y)
    entries = {
        f"{stem}.tflite": {
            "sha256": hashlib.sha256(blob).hexdigest(),
            "bytes": len(blob),
            "test_right": int(right[stem].sum()),
            "test_total": len(inputs),
            "accuracy": round(float(right[stem].mean()), 4),
            "macs": works[stem][1],
            "latency_budget_macs": BUDGET_FACTOR * works[first][1],
            "ops": works[stem][0],
            "made": MADE[stem],
        }
        for stem, blob in blobs.items()
    }

    out.mkdir(parents=True, exist_ok=True)
    for stem, blob in blobs.items():
        (out / f"{stem}.tflite").write_bytes(blob)
    np.savez_compressed(out / "golden.npz", x=data.test_x[golden], y=data.test_y[golden])
    np.savez_compressed(
        out / "digits-test.npz",
        x=data.test_x.astype(np.uint8),
        y=data.test_y.astype(np.uint8),
        **{stem: y.argmax(axis=1).astype(np.uint8) for stem, y in outputs.items()},
    )
    np.savez_compressed(
        out / "reference.npz",
        x=inputs[:REFERENCE_INPUTS],
        **{stem: y[:REFERENCE_INPUTS] for stem, y in outputs.items()},
    )
    (out / "models.json").write_text(json.dumps(entries, indent=2) + "\n")
    for name, entry in entries.items():
        print(f"{name:26} {entry['bytes']:6} bytes  {entry['macs']:8} MACs  {entry['accuracy']:.2%} right")


if __name__ == "__main__":
    main()
