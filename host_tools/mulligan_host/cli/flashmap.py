"""A map of the flash, drawn on the terminal; rows and changes of a table as text, and for JSON."""

from collections.abc import Sequence
from string import ascii_letters, digits

from rich.table import Table
from rich.text import Text

from mulligan.core.partitions import Row
from mulligan_host.layouts import Change, free, words
from mulligan_host.partitions import DEFAULT, Place

_ACROSS, _LINES = 64, 16
_LETTERS = ascii_letters + digits + "*" * 32  # a table may have 94 rows
_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "red", "bright_cyan", "bright_green", "bright_yellow", "bright_magenta")
_BEFORE, _FREE = "=", "."


def draw(rows: Sequence[Row], flash_size: int, place: Place = DEFAULT) -> Text:
    """The flash in 16 lines of 64 cells, each the letter of the partition that begins in it or lies over it; ``=`` is bootloader
    and table, ``.`` is free."""
    cell = max(flash_size // (_ACROSS * _LINES), 1)
    cells = [(_BEFORE if at * cell < place.end else _FREE, "dim") for at in range(flash_size // cell)]
    for index, row in sorted(enumerate(rows), key=lambda item: item[1].offset):
        for at in range(row.offset // cell, min(-(-(row.offset + row.size) // cell), len(cells))):
            cells[at] = (_LETTERS[index], _COLOURS[index % len(_COLOURS)])
    text = Text(f"one letter is {cell // 1024} KiB, {_BEFORE} bootloader and table, {_FREE} free\n")
    for start in range(0, len(cells), _ACROSS):
        text.append(f"{start * cell:#09x} ")
        for letter, style in cells[start : start + _ACROSS]:
            text.append(letter, style)
        text.append("\n")
    return text


def legend(rows: Sequence[Row], flash_size: int, place: Place = DEFAULT) -> Table:
    """What each letter stands for, and what is free."""
    table = Table("", "label", "type", "subtype", "offset", "end", "size", box=None, padding=(0, 2, 0, 0), highlight=False)
    for index, row in enumerate(rows):
        table.add_row(
            Text(_LETTERS[index], _COLOURS[index % len(_COLOURS)]),
            row.label,
            *words(row),
            f"{row.offset:#x}",
            f"{row.offset + row.size:#x}",
            size_text(row.size),
        )
    for offset, size in free(rows, place.end, flash_size):
        table.add_row(_FREE, "free", "", "", f"{offset:#x}", f"{offset + size:#x}", size_text(size))
    return table


def size_text(size: int) -> str:
    """``size`` in KiB where it is whole ones, else in bytes."""
    return f"{size // 1024} KiB" if size % 1024 == 0 else f"{size} B"


def change_text(change: Change) -> str:
    """One line for the change of one partition."""
    row = change.old or change.new
    assert row is not None
    places = [f"{r.offset:#x} {size_text(r.size)}" for r in (change.old, change.new) if r is not None]
    name = f"{row.label} to {change.new.label}" if change.change == "renamed" and change.new else row.label
    return f"{change.change:9}{name:18}{' -> '.join(dict.fromkeys(places))}"


def as_dict(row: Row) -> dict[str, object]:
    """A row for JSON: numbers, and the words for type and subtype."""
    kind, subtype = words(row)
    return {field: getattr(row, field) for field in row._fields} | {"type_name": kind, "subtype_name": subtype}
