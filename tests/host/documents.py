"""Reading the tables of the documents under docs/, so that tests can hold them against the code."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
Row = dict[str, str]


def tables(path: Path) -> dict[str, list[Row]]:
    """Return the rows of each table that stands under a line of its own in bold, by that line; a row maps heading to cell.

    Fails on a table without such a line, and on two with the same.
    """
    found: dict[str, list[Row]] = {}
    caption = None
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        if re.fullmatch(r"\*\*.+\*\*", line):
            caption = line.strip("*")
        if line.startswith("|") and not lines[number - 2].startswith("|"):
            assert caption is not None, f"{path.name}:{number}: a table without a line in bold above it"
            assert caption not in found, f"{path.name}:{number}: a second table {caption}"
            found[caption] = _rows(lines[number - 1 :])
            caption = None
    return found


def _rows(lines: list[str]) -> list[Row]:
    cells = []
    for line in lines:
        if not line.startswith("|"):
            break
        cells.append([cell.strip() for cell in line.strip().strip("|").split("|")])
    heading, _, *rest = cells
    assert all(len(row) == len(heading) for row in rest), heading
    return [dict(zip(heading, row, strict=True)) for row in rest]
