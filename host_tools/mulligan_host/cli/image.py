"""``mulligan image``: whole images, for programming without a board at hand."""

import json
from pathlib import Path

import rich_click as click

from mulligan_host import files, flashing
from mulligan_host.cli.board import options


@click.group()
def image() -> None:
    """Build images for factory programming."""


@image.command()
@options.FIRMWARE
@options.BOARD
@options.LAYOUT
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The image to write.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def build(firmware: Path, board_name: str, layout: str | None, output: Path, as_json: bool) -> None:
    """Build the image of a whole flash, to be written at 0x0.

    It holds bootloader and app of FIRMWARE, a combined MicroPython image, and Mulligan's partition table.
    """
    plan = options.plan(firmware, board_name, layout)
    data = flashing.image(plan)
    files.write(output, data)
    if as_json:
        parts = [{"what": part.what, "offset": part.offset, "size": len(part.data)} for part in plan.parts]
        click.echo(json.dumps({"board": plan.board.name, "size": len(data), "parts": parts}))
    else:
        click.echo(f"{output}: {len(data)} bytes for {plan.board.chip}; write it with: esptool write-flash 0x0 {output}")
