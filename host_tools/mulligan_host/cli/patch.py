"""``mulligan patch``: from one artifact to another."""

from pathlib import Path

import rich_click as click

from mulligan_host import delta, files

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def patch() -> None:
    """Make a patch from one artifact to another."""


@patch.command()
@click.argument("base", type=_FILE)
@click.argument("new", type=_FILE)
@click.option("-o", "--output", required=True, type=_FILE)
def make(base: Path, new: Path, output: Path) -> None:
    """Make the patch that turns BASE into NEW."""
    target = files.read(new)
    made = delta.make(files.read(base), target)
    files.write(output, made)
    click.echo(f"{output}  {len(made)} bytes, {100 * len(made) / len(target):.1f} % of {new}")


@patch.command(name="apply")
@click.argument("base", type=_FILE)
@click.argument("patch_file", metavar="PATCH", type=_FILE)
@click.option("-o", "--output", required=True, type=_FILE)
def apply_(base: Path, patch_file: Path, output: Path) -> None:
    """Apply PATCH to BASE, with the decoder that runs on the device."""
    new = delta.apply(files.read(base), files.read(patch_file))
    files.write(output, new)
    click.echo(f"{output}  {len(new)} bytes, hash as the patch promises")
