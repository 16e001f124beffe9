"""The model plane: does the engine know the model's operators, and can it be compared with the confirmed version?"""

from ..core import slot
from ..core.errors import HealthError, NoMemory, Unsupported
from ..core.state import needs_reset


def check(ports, entry, image, rules, items):
    """As `planes` says; a rule that is certain to fail is a HealthError."""
    _, slots, serving, _, _, _ = ports
    header, _, source, engine = serving.look(slots.inactive(entry), image)
    if 0 < rules.arena < header.arena:
        raise HealthError("arena: {} bytes, {} allowed".format(header.arena, rules.arena))
    if rules.shadow_runs and needs_reset([item[0] for item in items]):
        raise Unsupported("shadow_runs: beside a firmware or an app there is no confirmed version in service to compare with")
    if entry.image and rules.shadow_runs:
        reason = incomparable(header, slot.read(slots.active(entry), entry.image.length)[0])
        if reason:
            raise Unsupported(reason)
    try:
        engine.check(source, header)
    except (NoMemory, MemoryError):
        pass  # no verdict on the version: its trial looks again, and from a reset if need be


def incomparable(header, confirmed):
    """Why a shadow run of the image with ``header`` beside the ``confirmed`` one can't be: a reason, or None."""
    sizes = [(h.input_size, h.output_size) for h in (header, confirmed)]
    if sizes[0] != sizes[1]:
        return "shadow_runs: it takes {} bytes and gives {}, {} takes {} and gives {}".format(
            sizes[0][0], sizes[0][1], confirmed.version, sizes[1][0], sizes[1][1]
        )
    if (header.flags ^ confirmed.flags) & (slot.UINT8 | slot.FLOAT32):
        return "shadow_runs: its outputs are of another type than those of {}".format(confirmed.version)
    return None
