"""The committed reference outputs against LiteRT itself, where this Python has a version that rounds as TFLite-Micro does."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pytest

from mulligan_host.resources import resource

# ai-edge-litert from 1.3 on requantises FULLY_CONNECTED in float; tflite-runtime, its predecessor, does not load with numpy 2.
_RUNTIMES = (("ai-edge-litert", "ai_edge_litert", "1.2."), ("tflite-runtime", "tflite_runtime", "2."))


@pytest.fixture(scope="module")
def litert() -> Any:
    """The runtime's interpreter module."""
    found = []
    for distribution, package, wanted in _RUNTIMES:
        try:
            have = version(distribution)
        except PackageNotFoundError:
            continue
        found.append(f"{distribution} {have}")
        if have.startswith(wanted) and (package != "tflite_runtime" or np.__version__.startswith("1.")):
            return import_module(f"{package}.interpreter")
    return pytest.skip(f"no LiteRT that rounds twice: found {', '.join(found) or 'none'}; the committed outputs stand in")


@pytest.mark.parametrize("stem", ["digits-1.0.0", "digits-1.1.0", "digits-1.2.0-bad", "digits-1.3.0-slow"])
def test_reference_outputs_are_those_of_the_reference_kernels(stem: str, litert: Any) -> None:
    with np.load(resource("models/reference.npz"), allow_pickle=False) as data:
        inputs, expected = data["x"], data[stem]
    model = litert.Interpreter(
        model_content=resource(f"models/{stem}.tflite").read_bytes(),
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
    )
    model.allocate_tensors()
    (given,), (result,) = model.get_input_details(), model.get_output_details()
    for x, y in zip(inputs, expected, strict=True):
        model.set_tensor(given["index"], x.reshape(given["shape"]))
        model.invoke()
        assert (model.get_tensor(result["index"]).reshape(-1) == y).all()
