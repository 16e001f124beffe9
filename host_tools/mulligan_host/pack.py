"""Packing: a .tflite and samples become a model slot image, its golden outputs computed as the device computes them."""

from dataclasses import dataclass

from mulligan.core import fields, semver, slot
from mulligan.tflite.codes import FLOAT32, UINT8
from mulligan_host.errors import HostError
from mulligan_host.models.engine import Engine
from mulligan_host.models.samples import Samples, quantise


@dataclass(frozen=True)
class OtherEngines:
    """What is right on an engine that does not give the same bytes; see mulligan.core.slot.Header."""

    tolerance: int = 0
    same_winner: bool = False
    native_arena: int = 0


def pack(
    model: bytes, name: str, version: str, samples: Samples, labels: list[str], engines: OtherEngines | None = None
) -> bytes:
    """Return the slot image of ``model`` with one golden vector per sample.

    Raises: FormatError, ModelError, Unsupported: what the device would refuse is refused here; HostError, also where the samples
    come with other outputs than those of this model.
    """
    if not 0 < len(name) <= fields.MAX_NAME or any(not "!" <= c <= "~" for c in name):
        raise HostError(f"name {name!r}: 1 to {fields.MAX_NAME} printable ASCII characters")
    semver.parse(version)
    engine = Engine(model)
    facts = engine.info
    given = quantise(samples.x, facts)
    if len(given) > slot.MAX_GOLDEN:
        raise HostError(f"{len(given)} golden vectors: at most {slot.MAX_GOLDEN}; mulligan model golden chooses some")
    outputs = engine.infer_all(given)
    if samples.outputs is not None and (samples.outputs.shape != outputs.shape or (samples.outputs != outputs).any()):
        raise HostError("the golden outputs are those of another model: make them anew with mulligan model golden")
    expected = [row.tobytes() for row in outputs]
    wanted = [None] * len(given) if samples.y is None else samples.y.tolist()
    vectors = list(zip(given, expected, wanted, strict=True))
    others = engines or OtherEngines()
    flags = {UINT8: slot.UINT8, FLOAT32: slot.FLOAT32}.get(facts.outputs[0].type, 0)
    if others.same_winner:
        flags |= slot.SAME_WINNER
    image: bytes = slot.build(
        name, version, model, facts.arena, vectors, labels, sorted(set(facts.ops)), others.native_arena, others.tolerance, flags
    )
    return image
