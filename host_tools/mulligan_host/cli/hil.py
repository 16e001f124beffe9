"""``mulligan hil``: tests on boards, with pytest."""

from pathlib import Path

import rich_click as click

from mulligan_host.hil import rig


@click.group()
def hil() -> None:
    """Test on boards, with pytest."""


@hil.command()
@click.argument("directory", default=".", type=click.Path(path_type=Path, file_okay=False))
def init(directory: Path) -> None:
    """Write an example test and a rig file into DIRECTORY, which pass as they are, on a virtual board."""
    for path in rig.example(directory):
        click.echo(path)
    click.echo("run it with: pytest")
