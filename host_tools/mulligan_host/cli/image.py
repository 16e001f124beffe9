"""``mulligan image``: whole images, for programming without a board at hand."""

import json
from dataclasses import replace
from pathlib import Path

import rich_click as click

from mulligan_host import factory, files, flashing
from mulligan_host.cli.board import options
from mulligan_host.cli.board.given import Given
from mulligan_host.cli.board.given import options as given_options
from mulligan_host.cli.options import read_artifact


@click.group()
def image() -> None:
    """Build images for factory programming."""


@image.command()
@options.FIRMWARE
@options.BOARD
@options.LAYOUT
@click.option(
    "--artifact",
    "served",
    multiple=True,
    metavar="PATH[=VERSION]",
    help="A slot image, an app or a config that is confirmed from the start; repeat for more.",
)
@click.option("--frozen", is_flag=True, help="FIRMWARE has Mulligan frozen in: leave the package out of vfs.")
@given_options
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The image to write.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def build(
    firmware: Path, board_name: str, layout: str | None, served: tuple[str, ...], frozen: bool, given: Given, output: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """Build the image of a whole flash, to be written at 0x0.

    It holds bootloader and app of FIRMWARE, a combined MicroPython image, and Mulligan's partition table. With --key or --root
    also what board install would bring: package, boot.py and main.py in vfs, configuration, keys and journal, and each artifact
    in its slot. With --carried the package is in the app slots, not in vfs. Such an image holds the boards' common secrets, if it
    has any (--cert-key).
    """
    if frozen and given.carried:
        raise click.UsageError("give --frozen or --carried: the package is in one place")
    plan = options.plan(firmware, board_name, layout, len(files.read(given.carried)) if given.carried else 0)
    if given != Given() or served or frozen:
        setup = given.setup(plan.board.name, tuple(read_artifact(name) for name in served))
        plan = replace(plan, parts=[*plan.parts, *factory.parts(plan, setup, given.program(), frozen)])
    data = flashing.image(plan)
    files.write(output, data)
    if as_json:
        parts = [{"what": part.what, "offset": part.offset, "size": len(part.data)} for part in plan.parts]
        click.echo(json.dumps({"board": plan.board.name, "layout": plan.layout, "size": len(data), "parts": parts}))
    else:
        click.echo(f"{output}: {len(data)} bytes for {plan.board.chip}; write it with: esptool write-flash 0x0 {output}")
