"""Packing: a .tflite and labelled samples become a model slot image, its golden outputs computed as the device computes them."""

from mulligan.core import manifest, semver, slot
from mulligan.tflite import interpreter, loader
from mulligan_host.errors import HostError
from mulligan_host.models.samples import Samples, quantise
from mulligan_host.models.source import ByteSource


def pack(model: bytes, name: str, version: str, samples: Samples, labels: list[str]) -> bytes:
    """Return the slot image of ``model`` with one golden vector per sample.

    Raises: FormatError, ModelError, Unsupported: what the device would refuse is refused here.
    """
    if not 0 < len(name) <= manifest.MAX_NAME or any(not "!" <= c <= "~" for c in name):
        raise HostError(f"name {name!r}: 1 to {manifest.MAX_NAME} printable ASCII characters")
    semver.parse(version)
    source = ByteSource(model)
    facts = loader.inspect(source)
    engine = interpreter.Interpreter(source)
    vectors = []
    for x, label in zip(quantise(samples.x, facts), samples.y, strict=True):
        engine.input(0)[:] = x
        engine.invoke()
        vectors.append((x, bytes(engine.output(0)), int(label)))
    image: bytes = slot.build(name, version, model, facts.arena, vectors, labels, sorted(set(facts.ops)))
    return image
