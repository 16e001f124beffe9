"""``mulligan board``: boards, on a cable and virtual. A module for each of its commands."""

import rich_click as click

from mulligan_host.cli.board.flash import flash
from mulligan_host.cli.board.install import install
from mulligan_host.cli.board.log import log
from mulligan_host.cli.board.push import push, rollback
from mulligan_host.cli.board.qemu import qemu
from mulligan_host.cli.board.status import status
from mulligan_host.cli.board.virtual import virtual


@click.group()
def board() -> None:
    """Flash a board, install Mulligan on it, update and watch it; or run a virtual one."""


for _command in (flash, install, status, push, log, rollback, virtual, qemu):
    board.add_command(_command)
