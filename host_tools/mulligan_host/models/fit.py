"""Will a model fit a board? Each thing that it must pass, and what was found."""

from collections.abc import Callable
from dataclasses import dataclass

from mulligan.core import slot
from mulligan.core.errors import MulliganError
from mulligan.serving import MAX_ARENA
from mulligan_host import boards
from mulligan_host.errors import HostError
from mulligan_host.models import inspector
from mulligan_host.models.run import HeapTooSmall
from mulligan_host.models.samples import input_size, output_size
from mulligan_host.models.source import model_of
from mulligan_host.partitions import find, read_csv
from mulligan_host.resources import resource

GOLDEN = 16
"""Golden vectors that a model which isn't packed yet is taken to get."""
_LABEL = 2


@dataclass(frozen=True)
class Finding:
    """Of one check: ``fits`` is None where it could not be made."""

    check: str
    fits: bool | None
    reason: str


Tried = Callable[[bytes, int], int]


def check(data: bytes, board: boards.Board, peak_heap: Tried, update: Tried) -> list[Finding]:
    """Check a .tflite, or a slot image of one, against a board.

    ``peak_heap(model, heap)`` runs it on the board's code with so many bytes of heap, and says how many were in use at most.
    ``update(model, heap)`` updates from one version of it to the next, and says how many were free beside both; it is asked where
    all else fits. Raises: FormatError, ModelError if it is no model.
    """
    model = model_of(data)
    found = inspector.inspect(model)
    refused = [f"{o.name}: {o.problem}" for o in found.operators if o.problem]
    problem = "; ".join(dict.fromkeys(refused)) or found.problem
    findings = [Finding("operators", problem is None, problem or f"all {len(found.operators)} are supported")]
    info = found.info
    if info is None:
        return findings
    most = min(board.memory.largest, MAX_ARENA)
    findings.append(Finding("arena", info.arena <= most, f"{info.arena} bytes in one piece, of {most}"))
    findings.append(_heap(model, board, peak_heap))
    packed = packed_size(data)
    what = f"the image has {packed} bytes"
    if data is model:
        what = f"an image with {GOLDEN} golden vectors and no labels has {packed} bytes"
    room = find(read_csv(resource(f"partitions/{board.partitions[-1]}"), board.flash), "model_0").size
    findings.append(Finding("slot", packed <= room, f"{what}, a slot of {board.partitions[-1]} {room}"))
    if all(finding.fits for finding in findings):
        findings.append(_update(model, board, update))
    return findings


def packed_size(data: bytes) -> int:
    """Bytes of the slot image ``data``, or of one made of the .tflite ``data`` with GOLDEN golden vectors and no labels.

    Raises: FormatError, ModelError if it is neither.
    """
    model = model_of(data)
    info = inspector.inspect(model).info
    if data is not model or info is None:
        return len(data)
    vectors = GOLDEN * (input_size(info) + output_size(info) + _LABEL)
    return len(data) + -len(data) % 16 + slot.HEADER_SIZE + vectors + 2 * len(set(info.ops))


def _heap(model: bytes, board: boards.Board, peak_heap: Tried) -> Finding:
    return _tried("heap", model, board, peak_heap, "{} bytes in use at most while it is loaded and run")


def _update(model: bytes, board: boards.Board, update: Tried) -> Finding:
    return _tried("update", model, board, update, "{} bytes left beside Mulligan and both versions, in an update without an app")


def _tried(name: str, model: bytes, board: boards.Board, tried: Tried, found: str) -> Finding:
    taken = "" if board.memory.observed else " (assumed)"
    of = f"of the {board.memory.heap} that are free with Wi-Fi up{taken}"
    try:
        figure = tried(model, board.memory.heap)
    except HostError as e:
        # Anything else, such as no MicroPython here, says nothing about the model.
        return Finding(name, False if isinstance(e, HeapTooSmall) else None, f"{e}, {of}")
    except MulliganError as e:
        return Finding(name, False, str(e))
    return Finding(name, True, f"{found.format(figure)}, {of}")
