"""Options that several commands for boards share."""

from pathlib import Path

import rich_click as click

from mulligan.core import layout as ours
from mulligan.core.partitions import app_slots
from mulligan_host import boards, files, flashing, images, layouts, tables
from mulligan_host.desk.link import Link

FIRMWARE = click.argument("firmware", type=click.Path(path_type=Path, dir_okay=False))
BOARD = click.option("--board", "board_name", required=True, help="What it is: one of boards/, or a .toml of your own.")
ANY_BOARD = click.option("--board", "board_name", help="What it is: only needed where opening its port resets it.")
LAYOUT = click.option(
    "--layout", help="In place of the first of the board's that FIRMWARE fits: a name in partitions/, or a CSV."
)
PORT = click.option("--port", help="Where it is plugged in; not needed where there is only one.")


def plan(firmware: Path, board_name: str, layout: str | None, app: int = 0) -> flashing.Plan:
    """What `mulligan board flash` and `mulligan image build` are to write. ``app``: bytes of the app that is to come with it."""
    board = boards.load(board_name)
    image = images.firmware(files.read(firmware), firmware.name)
    layout = layout or _fitting(board, len(image.app.data), app)
    return flashing.make(image, firmware.name, board, layout, tables.read(layout).rows)


def _fitting(board: boards.Board, firmware: int, app: int) -> str:
    """The first of the board's layouts with room for a firmware and an app of so many bytes; its last where none has."""
    *others, last = (Path(layout).stem for layout in board.partitions)
    for name in others:
        rows = tables.read(name).rows
        slots = layouts.pair(rows, ours.APP)
        if all(firmware <= slot.size for slot in app_slots(rows)) and (not app or (slots and app <= layouts.room(slots))):
            return name
    return last


def say_if_reset(link: Link) -> None:
    """A board whose port can't be opened quietly has just been reset: its user has to know."""
    if link.resets:
        click.echo(f"note: opening {link.port} resets this kind of board; a version on trial there is tried again", err=True)
