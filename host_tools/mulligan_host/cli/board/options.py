"""Options that several commands for boards share."""

from pathlib import Path

import rich_click as click

from mulligan.core.partitions import app_slots
from mulligan_host import boards, files, flashing, images, tables
from mulligan_host.desk.link import Link

FIRMWARE = click.argument("firmware", type=click.Path(path_type=Path, dir_okay=False))
BOARD = click.option("--board", "board_name", required=True, help="What it is: one of boards/, or a .toml of your own.")
ANY_BOARD = click.option("--board", "board_name", help="What it is: only needed where opening its port resets it.")
LAYOUT = click.option(
    "--layout", help="In place of the first of the board's that FIRMWARE fits: a name in partitions/, or a CSV."
)
PORT = click.option("--port", help="Where it is plugged in; not needed where there is only one.")


def plan(firmware: Path, board_name: str, layout: str | None) -> flashing.Plan:
    """What `mulligan board flash` and `mulligan image build` are to write."""
    board = boards.load(board_name)
    image = images.firmware(files.read(firmware), firmware.name)
    layout = layout or _fitting(board, len(image.app.data))
    return flashing.make(image, firmware.name, board, layout, tables.read(layout).rows)


def _fitting(board: boards.Board, size: int) -> str:
    """The first of the board's layouts that has room for an app of ``size`` bytes; its last where none has."""
    *others, last = (Path(layout).stem for layout in board.partitions)
    return next((name for name in others if all(size <= slot.size for slot in app_slots(tables.read(name).rows))), last)


def say_if_reset(link: Link) -> None:
    """A board whose port can't be opened quietly has just been reset: its user has to know."""
    if link.resets:
        click.echo(f"note: opening {link.port} resets this kind of board; a version on trial there is tried again", err=True)
