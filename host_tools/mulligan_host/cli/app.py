"""``mulligan app``: artifacts of the app plane."""

from pathlib import Path

import rich_click as click

from mulligan_host import apps, files
from mulligan_host.micropython import ARCHITECTURES


@click.group()
def app() -> None:
    """Make artifacts of Python code."""


@app.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--version", required=True, help="Of the app: MAJOR.MINOR.PATCH.")
@click.option(
    "--arch", type=click.Choice(ARCHITECTURES), help="For native code: xtensawin for ESP32, S2 and S3; rv32imc for C3, C6."
)
@click.option("--package", is_flag=True, help="With the Mulligan package in it: for boards whose app slots carry it.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False))
def pack(directory: Path, version: str, arch: str | None, package: bool, output: Path) -> None:
    """Compile DIRECTORY into a read-only filesystem, which a device mounts and runs main.py from.

    A file config.schema.json in it says what a config must look like: words of JSON Schema.
    """
    image = apps.pack(directory, version, arch, package)
    files.write(output, image)
    held = apps.unpack(image)
    click.echo(f"{output}  {len(image)} bytes, {len(held.files)} files, app {version}, _mpy {held.mpy}")
