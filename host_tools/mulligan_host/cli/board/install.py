"""``mulligan board install``: Mulligan onto a board that runs stock MicroPython."""

import json
from dataclasses import asdict

import rich_click as click

from mulligan_host import boards, ports
from mulligan_host.cli.board import options
from mulligan_host.cli.board.given import Given
from mulligan_host.cli.board.given import options as given_options
from mulligan_host.cli.progress import parts
from mulligan_host.desk import install as installing
from mulligan_host.desk import push
from mulligan_host.desk.link import connect


@click.command()
@options.BOARD
@options.PORT
@given_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def install(board_name: str, port: str | None, given: Given, as_json: bool) -> None:
    """Install Mulligan into the filesystem of a board: the light install, for the desk.

    Only files that differ are copied. boot.py becomes ours, and yours user_boot.py, which ours runs; your main.py is left alone.
    Keys and journal are written once, and then left alone.
    """
    board = boards.load(board_name)
    setup, program = given.setup(board.name), given.program()
    at = ports.choose(port)
    with connect(at, board) as link, parts() as progress:
        options.say_if_reset(link)
        link.enter(soft_reset=False)
        done = installing.install(link, setup, program, progress)
        link.resume()
        push.comes_up(link)
    if as_json:
        click.echo(json.dumps(asdict(done)))
        return
    for path in done.copied:
        click.echo(f"copied   {path}")
    for path in done.removed:
        click.echo(f"removed  {path}: not of this version")
    for path, why in done.left.items():
        click.echo(f"left     {path}: {why}")
    click.echo(f"unchanged: {len(done.unchanged)} files; package: {done.package}")
    click.echo("keys and journal written" if done.provisioned else "keys and journal were there, and are left alone")
