"""What a board is, and what its journal and event log say: decoded here, so that it can be had of a board that runs nothing any
more."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from mulligan.core import errors
from mulligan.core.errors import MulliganError
from mulligan.core.journal import Journal
from mulligan.core.state import Entry, Image
from mulligan_host import provision
from mulligan_host.desk import board
from mulligan_host.desk.link import Link

_WATCHDOG = 3
CAUSES = {1: "power on, or brownout", 2: "hard reset, or panic", _WATCHDOG: "watchdog", 4: "deep sleep", 5: "soft reset"}
_PACKAGE = f"/{provision.PACKAGE}/__init__.mpy"
_MOST_ERRORS = 8
_ERRORS = (
    "rolled-back", "refused", "patch-failed", "damaged", "not-serving", "worn", "unwritten", "stray", "table-refused",
    "tables-lost",
)  # fmt: skip
_NAMES = {
    error.code: name for name, error in vars(errors).items() if isinstance(error, type) and issubclass(error, MulliganError)
}
_UNUSED = ("files", "config", "mulligan", "path", "partitions", "cause", "heap", "mpy", "version", "block", "blocks", "free")


def status(link: Link) -> dict[str, Any]:
    """All that can be told of the board at the raw REPL of ``link``, as plain values. Raises: HostError, FormatError."""
    seen = board.look(link, [_PACKAGE])
    config = board.config_of(seen)
    journal = board.journal(link)
    log = board.event_log(link)
    frozen = bool(link.run("frozen"))
    found = {name: value for name, value in asdict(seen).items() if name not in _UNUSED}
    return {
        **found,
        "board": config.get("board"),
        "micropython": ".".join(map(str, seen.version)),
        "arch": seen.arch,
        "reset": CAUSES.get(seen.cause, str(seen.cause)),
        "heap_free": seen.heap,
        "vfs_free": seen.free * seen.block,
        "package": "frozen" if frozen else "vfs" if seen.files else "app slots" if seen.mulligan else None,
        "url": config.get("url"),
        "channel": config.get("channel"),
        "journal": _journal(journal) if journal is not None else None,
        "planes": [_entry(entry) for entry in journal.state.entries] if journal is not None else [],
        "errors": _errors(log) if log is not None else [],
    }


def _errors(log: Iterable[Any]) -> list[dict[str, Any]]:
    """The last of the events that went wrong, oldest first; ``error`` is the name of the code in docs/SPEC.md, or None."""
    wrong = [e for e in log if e.event in _ERRORS or (e.event == "boot" and e.detail == _WATCHDOG)]
    return [{**e._asdict(), "error": _NAMES.get(e.code)} for e in wrong[-_MOST_ERRORS:]]


def _journal(journal: Journal) -> dict[str, Any]:
    state = journal.state
    return {
        "sequence": state.sequence,
        "order": state.order,
        "time": state.time or None,
        "starts": journal.starts(),
        "faults": journal.faults(),
        "root": state.keys is not None,
    }


def _entry(entry: Entry) -> dict[str, Any]:
    trial = entry.trial
    return {
        "plane": entry.plane,
        "name": entry.name,
        "slot": entry.slot,
        "version": entry.image.version if entry.image else None,
        "counter": entry.image.counter if entry.image else None,
        "trial": {"slot": trial.slot, "attempts": trial.rules.attempts, **_image(trial.image)} if trial else None,
        "spare": _image(entry.spare) if entry.spare else None,
        "floor": entry.floor,
        "hard_floor": entry.hard_floor,
        "frozen": len(entry.frozen),
    }


def _image(image: Image) -> dict[str, Any]:
    return {"version": image.version, "counter": image.counter}
