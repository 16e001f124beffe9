"""The real models of ../shared/models: seeded inputs, and CRCs of the outputs that TensorFlow Lite's reference kernels give.

``PYTHONPATH=tests python tests/host/shared_models.py`` makes shared_models.json anew; it takes ai-edge-litert 1.2.0, whose
BUILTIN_REF kernels round as TFLite-Micro does. LiteRT refuses person_detect's biases for their ``quantized_dimension`` of 3: it
is given a copy that says 0.
"""

import hashlib
import json
import zlib
from importlib import import_module
from pathlib import Path

import numpy as np

MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"
GOLDEN = Path(__file__).with_suffix(".json")
NAMES = ("hello_world_int8", "micro_speech_quantized", "mlperf_ad01_int8", "mlperf_kws", "person_detect")
COUNT = 200


def inputs(name: str, size: int) -> list[bytes]:
    """Return ``COUNT`` inputs of ``size`` bytes: noise about changing levels, from flat to the whole range."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    found = []
    for _ in range(COUNT):
        level, spread = rng.uniform(-140, 140), rng.choice([0, 3, 20, 60, 120])
        noise = np.convolve(rng.normal(0, 1, size + 8), np.ones(int(rng.integers(1, 9))), "full")[:size]
        found.append(np.clip(np.rint(level + spread * noise), -128, 127).astype(np.int8).tobytes())
    return found


def crcs(outputs: list[bytes]) -> list[str]:
    """Return the CRC-32 of each output, in hexadecimal."""
    return [f"{zlib.crc32(output):08x}" for output in outputs]


def golden() -> dict[str, dict[str, object]]:
    """Return, by name, the model's ``sha256``, its ``input`` and ``output`` size, and the ``crcs`` of its outputs."""
    found: dict[str, dict[str, object]] = json.loads(GOLDEN.read_text())
    return found


def _litert_copy(model: bytes) -> bytes:
    """Return a copy in which every bias (INT32) is said to be quantised along dimension 0."""
    from mulligan.tflite.codes import INT32
    from mulligan.tflite.graph import Graph
    from tflite.models import BytesSource

    source = BytesSource(bytearray(model))
    graph = Graph(source)
    copy = bytearray(model)
    for i in range(graph.tensor_count):
        table = graph.reader.table(graph._tensors + 4 * i)
        axis = graph.reader.field(graph.reader.child(table, 4), 6, 4)
        if axis and graph.tensor(i).type == INT32:
            copy[axis : axis + 4] = bytes(4)
    return bytes(copy)


def main() -> None:
    runtime = import_module("ai_edge_litert.interpreter")
    found = {}
    for name in NAMES:
        model = (MODELS / f"{name}.tflite").read_bytes()
        engine = runtime.Interpreter(
            model_content=_litert_copy(model), experimental_op_resolver_type=runtime.OpResolverType.BUILTIN_REF
        )
        engine.allocate_tensors()
        (x,), (y,) = engine.get_input_details(), engine.get_output_details()
        size = int(np.prod(x["shape"]))
        outputs = []
        for given in inputs(name, size):
            engine.set_tensor(x["index"], np.frombuffer(given, np.int8).reshape(x["shape"]))
            engine.invoke()
            outputs.append(engine.get_tensor(y["index"]).tobytes())
        digest = hashlib.sha256(model).hexdigest()
        found[name] = {"sha256": digest, "input": size, "output": len(outputs[0]), "crcs": " ".join(crcs(outputs))}
    GOLDEN.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
