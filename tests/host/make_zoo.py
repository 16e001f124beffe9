"""Make data/zoo.npz: the outputs of each model of the zoo by TFLite-Micro itself, and a digest of the model and its inputs.

Usage: PYTHONPATH=tests:firmware:host_tools python -m host.make_zoo RUNNER

RUNNER is a program built from tests/host/data/tflm_runner.cc and the sources of TFLite-Micro (its reference kernels). Needed only
when `zoo` changes. The committed file was made with TFLite-Micro as of 90b983c2b. ai-edge-litert 1.2.0 gives the same bytes, for
those models that it can run: see test_litert.
"""

import hashlib
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np

from host.zoo import GOLDEN, cases
from host.zoo_layers import Case


def digest(case: Case) -> bytes:
    """16 bytes that tell whether a case is the one whose outputs are stored."""
    return hashlib.sha256(case.model + case.inputs).digest()[:16]


def zoo_and_golden() -> dict[str, tuple[Case, bytes]]:
    """(case, TFLite-Micro's outputs) of each model."""
    with np.load(GOLDEN) as stored:
        spans = pairwise([0, *stored["ends"].tolist()])
        golden = {str(name): stored["bytes"][a:b].tobytes() for name, (a, b) in zip(stored["names"], spans, strict=True)}
    found = {}
    for name, case in cases():
        assert digest(case) == golden[name][:16], f"{name} isn't what the stored outputs were made from: run make_zoo"
        found[name] = case, golden[name][16:]
    assert set(found) == set(golden)
    assert len(found) >= 300
    return found


def main(runner: str) -> None:
    stored: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory() as name:
        model, inputs, outputs = (Path(name) / part for part in ("model", "inputs", "outputs"))
        for title, case in cases():
            model.write_bytes(case.model)
            inputs.write_bytes(case.inputs)
            fresh = [] if case.memory else ["fresh"]
            subprocess.run([runner, model, inputs, outputs, *fresh], check=True)
            stored[title] = np.frombuffer(digest(case) + outputs.read_bytes(), np.uint8)
    names = sorted(stored)
    ends = np.cumsum([stored[name].size for name in names])
    # One array of all: hundreds of small members would take more room than what they hold.
    np.savez_compressed(GOLDEN, names=np.array(names), ends=ends, bytes=np.concatenate([stored[name] for name in names]))


if __name__ == "__main__":
    main(*sys.argv[1:])
