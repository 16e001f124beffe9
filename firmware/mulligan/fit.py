"""Fit: can a version be tried here at all? Asked before it is activated."""

from .borrow import Borrowed
from .core.errors import HealthError, NoMemory, Unsupported


def check(serving, target, image, active, confirmed, rules):
    """Look at the slot image ``image`` in the Region ``target``, verified and not yet activated.

    active, confirmed: Region and Image of the confirmed version, None where there is none: then nothing is compared in shadow.
    Raises: FormatError, ModelError, Unsupported, HealthError (a rule that is certain to fail), FlashError.
    """
    header, _, source, engine = serving.look(target, image)
    if 0 < rules.arena < header.arena:
        raise HealthError("arena: {} bytes, {} allowed".format(header.arena, rules.arena))
    if active is not None and rules.shadow_runs:
        with Borrowed("core.slot") as slot:
            reason = incomparable(header, slot.read(active, confirmed.length)[0])
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
    return None
