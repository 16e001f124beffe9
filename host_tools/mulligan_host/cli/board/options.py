"""Options that several commands for boards share."""

from pathlib import Path

import rich_click as click

from mulligan.core.partitions import Row
from mulligan_host import boards, files, flashing, images, tables
from mulligan_host.desk.link import Link

FIRMWARE = click.argument("firmware", type=click.Path(path_type=Path, dir_okay=False))
BOARD = click.option("--board", "board_name", required=True, help="What it is: one of boards/, or a .toml of your own.")
ANY_BOARD = click.option("--board", "board_name", help="What it is: only needed where opening its port resets it.")
LAYOUT = click.option("--layout", help="In place of the board's: the name of one in partitions/, or a CSV.")
PORT = click.option("--port", help="Where it is plugged in; not needed where there is only one.")


def plan(firmware: Path, board_name: str, layout: str | None) -> flashing.Plan:
    """What `mulligan board flash` and `mulligan image build` are to write."""
    board = boards.load(board_name)
    return flashing.make(images.firmware(files.read(firmware), firmware.name), firmware.name, board, rows_of(board, layout))


def rows_of(board: boards.Board, layout: str | None) -> list[Row]:
    """The rows of ``layout``, or of the board's own."""
    return tables.read(layout or Path(board.partitions).stem).rows


def say_if_reset(link: Link) -> None:
    """A board whose port can't be opened quietly has just been reset: its user has to know."""
    if link.resets:
        click.echo(f"note: opening {link.port} resets this kind of board; a version on trial there is tried again", err=True)
