"""``mulligan package``: the device package for tools of others."""

from pathlib import Path

import rich_click as click

from mulligan_host import mip as packages


@click.group()
def package() -> None:
    """Build the device package for tools of others."""


@package.command()
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, file_okay=False), help="The directory to write to."
)
@click.option(
    "--arch", "architectures", multiple=True, help="As mpy-cross calls it; repeat for more.  [default: all of the chips']"
)
def mip(output: Path, architectures: tuple[str, ...]) -> None:
    """Build what `mpremote mip install` takes: a directory for each architecture, with a package.json.

    It is the light install, for the desk: boot.py, configuration and keys come by mulligan board install.
    """
    for arch in architectures or packages.ARCHITECTURES:
        directory = output / arch
        directory.mkdir(parents=True, exist_ok=True)
        click.echo(f"mpremote mip install {packages.write(directory, arch)}")
