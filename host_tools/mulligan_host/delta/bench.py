"""Our patches beside those of other tools, on pairs of files."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mulligan.core import chunks, patch
from mulligan_host import files
from mulligan_host.errors import HostError

from . import container, maker, others


@dataclass(frozen=True)
class Row:
    """One pair. size: our patch; body: less its container; full: the artifact deflated, less its container; others: by tool."""

    name: str
    new: int
    full: int
    size: int
    body: int
    tier: int
    others: dict[str, int]

    def plain(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return {
            "pair": self.name,
            "new": self.new,
            "full": self.full,
            "patch": self.size,
            "patch less container": self.body,
            "tier": self.tier,
            **self.others,
        }


def pairs(directory: Path) -> list[tuple[str, Path, Path]]:
    """Return (name, old, new) of each directory in ``directory`` with one file old.* and one new.*. Raises: HostError."""
    found = []
    for path in sorted(p for p in directory.iterdir() if p.is_dir()) if directory.is_dir() else []:
        old, new = sorted(path.glob("old.*")), sorted(path.glob("new.*"))
        if len(old) == len(new) == 1:
            found.append((path.name, old[0], new[0]))
    if not found:
        raise HostError(f"{directory}: no pairs here: directories with a file old.* and a file new.* each")
    return found


def run(directory: Path, progress: Callable[[str], None]) -> Iterator[Row]:
    """Yield a row for each pair. Raises: HostError, OSError."""
    for name, old, new in pairs(directory):
        progress(name)
        yield compare(name, files.read(old), files.read(new))


def compare(name: str, base: bytes, new: bytes) -> Row:
    """Return the row of one pair."""
    made = maker.compare(base, new)
    body = len(made.data) - chunks.start_of(container.read_header(made.data), 0)
    tools, _ = others.installed()
    sizes = {tool: size(base, new) for tool, size in tools.items()}
    return Row(name, len(new), made.sizes[patch.TIER_DEFLATE, "full"], len(made.data), body, made.tier, sizes)
