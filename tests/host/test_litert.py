"""The committed reference outputs against LiteRT itself, where this Python has a version that rounds as TFLite-Micro does."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pytest

from host.make_zoo import zoo_and_golden
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


def test_zoo(litert: Any) -> None:
    """TFLite-Micro's stored outputs are LiteRT's too, for those models of the zoo that it can run (docs/FINDINGS.md)."""
    compared = 0
    for name, (case, expected) in zoo_and_golden().items():
        # LiteRT wants five more tensors for an LSTM, damages its memory by 8-bit SVDF states, wants variables assigned first.
        if name.startswith(("lstm", "svdf-int8", "stream-2")):
            continue
        model = litert.Interpreter(model_content=case.model, experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF)
        try:
            model.allocate_tensors()
        except RuntimeError:  # a CONV_2D without a bias
            continue
        out = b""
        at = 0
        while at < len(case.inputs):
            for given in model.get_input_details():
                x = np.frombuffer(case.inputs, given["dtype"], int(np.prod(given["shape"])), at)
                at += x.nbytes
                model.set_tensor(given["index"], x.reshape(given["shape"]))
            model.invoke()
            out += b"".join(model.get_tensor(result["index"]).tobytes() for result in model.get_output_details())
        assert out == expected, name
        compared += 1
    assert compared >= 300
