"""``mulligan board``: boards, on a cable and virtual. A module for each of its commands."""

import rich_click as click

from mulligan_host.cli.board.flash import flash
from mulligan_host.cli.board.qemu import qemu
from mulligan_host.cli.board.virtual import virtual


@click.group()
def board() -> None:
    """Flash a board, or run a virtual one."""


for _command in (flash, qemu, virtual):
    board.add_command(_command)
