"""The lines that a board prints about its updates: ``mulligan: event key=value … reason=…``, as `mulligan.board.console` writes
them."""

import re
from dataclasses import dataclass

_LINE = re.compile(r"^mulligan: (?P<event>\S+)(?P<facts>(?: \w+=\S*)*?)(?: reason=(?P<reason>.*))?$")


@dataclass(frozen=True)
class Event:
    """One line."""

    event: str
    facts: dict[str, str]
    reason: str | None = None


def parse(line: str) -> Event | None:
    """The event in ``line``; None where it is something else."""
    match = _LINE.match(line.strip())
    if match is None:
        return None
    facts = dict(fact.split("=", 1) for fact in match["facts"].split())
    return Event(match["event"], facts, match["reason"])
