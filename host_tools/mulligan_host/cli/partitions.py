"""``mulligan partitions``: tables of partitions, built, shown, checked and compared."""

import json
import re
from pathlib import Path
from typing import Any

import rich_click as click
from rich.console import Console

from mulligan.core import partitions as table
from mulligan.core.partitions import Row
from mulligan_host import boards, files, images, layouts, loader, ports, tables
from mulligan_host.cli import flashmap
from mulligan_host.errors import HostError
from mulligan_host.models.fit import packed_size
from mulligan_host.partitions import Place, read_csv, to_csv

_FILE = click.Path(path_type=Path, dir_okay=False)
_UNITS = {"KB": 1 << 10, "MB": 1 << 20}
_SOURCE = "a CSV, a binary table, an image, a dump of the flash, the name of a layout of Mulligan's, or a board's port"


class _Number(click.ParamType[int]):
    """An address, as 0x8000 or 32768."""

    name = "address"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        try:
            return value if isinstance(value, int) else int(value, 0)
        except ValueError:
            self.fail(f"{value!r} is not a number such as 0x8000", param, ctx)


class _Size(click.ParamType[int]):
    """A size of flash, as 4MB."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,6})(KB|MB)", value.upper())
        if match is None or int(match[1]) == 0:
            self.fail(f"{value!r} is not a size such as 4MB", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


_FLASH_SIZE = click.option("--flash-size", type=_Size(), help="Of the flash, as 4MB.")
_OFFSET = click.option(
    "--offset", default=table.TABLE_OFFSET, type=_Number(), show_default="0x8000", help="Where the table is in flash."
)
_BOARD = click.option("--board", "board_name", help="What it is for, or what is at the port.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def partitions() -> None:
    """Build, show, check and compare partition tables."""


@partitions.command()
@click.argument("csv", type=_FILE)
@click.option("-o", "--output", required=True, type=_FILE, help="The binary table to write.")
@_FLASH_SIZE
@_OFFSET
@click.option("--primary-bootloader-offset", type=_Number(), help="For tables with rows of type bootloader.")
@click.option("--recovery-bootloader-offset", type=_Number(), help="For tables with a row bootloader, recovery.")
@click.option("--disable-md5sum", is_flag=True, help="Leave out the MD5 row, for a build of ESP-IDF without it.")
def build(
    csv: Path,
    output: Path,
    flash_size: int | None,
    offset: int,
    primary_bootloader_offset: int | None,
    recovery_bootloader_offset: int | None,
    disable_md5sum: bool,
) -> None:
    """Build the binary table of a CSV, byte for byte as ESP-IDF's generator does."""
    place = Place(offset, primary_bootloader_offset, recovery_bootloader_offset)
    rows = read_csv(csv, flash_size, place)
    files.write(output, table.encode(rows, md5=not disable_md5sum))
    click.echo(f"{output}: {len(rows)} partitions, to be written at {offset:#x}")


@partitions.command(help=f"Show the table in SOURCE: {_SOURCE}.")
@click.argument("source")
@_BOARD
@_FLASH_SIZE
@_OFFSET
@click.option("--csv", "as_csv", is_flag=True, help="Print the CSV, as ESP-IDF's generator writes it.")
@_JSON
def show(source: str, board_name: str | None, flash_size: int | None, offset: int, as_csv: bool, as_json: bool) -> None:
    place = Place(offset)
    found = _read(source, place, board_name)
    if as_csv:
        click.echo(to_csv(found.rows), nl=False)
        return
    size = flash_size or found.flash_size or _smallest_flash(found.rows)
    if as_json:
        click.echo(
            json.dumps({"source": found.kind, "flash_size": size, "partitions": [flashmap.as_dict(row) for row in found.rows]})
        )
        return
    _print_map(found.rows, size, place)


@partitions.command(help=f"Check what fits the layout in SOURCE: {_SOURCE}. Exit code 1 if something does not.")
@click.argument("source")
@_BOARD
@click.option("--firmware", type=_FILE, help="A combined MicroPython image, or an app image.")
@click.option("--model", "models", multiple=True, type=_FILE, help="A slot image or a .tflite; repeat for more.")
@_FLASH_SIZE
@_OFFSET
@_JSON
def check(
    source: str,
    board_name: str | None,
    firmware: Path | None,
    models: tuple[Path, ...],
    flash_size: int | None,
    offset: int,
    as_json: bool,
) -> None:
    place = Place(offset)
    found = _read(source, place, board_name)
    board = boards.load(board_name) if board_name else None
    size = flash_size or (board.flash if board else None) or found.flash_size or _smallest_flash(found.rows)
    sizes = [(path.name, packed_size(files.read(path))) for path in models]
    app = len(images.app_of(files.read(firmware), firmware.name).data) if firmware else None
    findings = layouts.check(found.rows, size, app, sizes)
    unused = sum(gap for _, gap in layouts.free(found.rows, place.end, size))
    if as_json:
        click.echo(
            json.dumps(
                {
                    "fits": all(finding.fits is not False for finding in findings),
                    "flash_size": size,
                    "free": unused,
                    "findings": [{"what": f.what, "fits": f.fits, "reason": f.reason} for f in findings],
                    "partitions": [flashmap.as_dict(row) for row in found.rows],
                }
            )
        )
    else:
        _print_map(found.rows, size, place)
        for finding in findings:
            word = {True: "fits", False: "too large", None: "note"}[finding.fits]
            click.echo(f"{word:10}{finding.what}: {finding.reason}")
        click.echo(f"{'free':10}{flashmap.size_text(unused)} of {flashmap.size_text(size)} are in no partition")
    missed = [finding for finding in findings if finding.fits is False]
    if missed:
        raise HostError(f"{source}: {missed[0].what}: {missed[0].reason}: choose another layout, or something smaller")


@partitions.command(help=f"Say what becomes of what a flash with OLD holds when NEW takes its place. Each is {_SOURCE}.")
@click.argument("old")
@click.argument("new")
@_BOARD
@_FLASH_SIZE
@_OFFSET
@_JSON
def diff(old: str, new: str, board_name: str | None, flash_size: int | None, offset: int, as_json: bool) -> None:
    sources = [_read(name, Place(offset), board_name) for name in (old, new)]
    sizes = [source.flash_size or _smallest_flash(source.rows) for source in sources]
    size = flash_size or max(sizes)
    changes = layouts.diff(*(layouts.with_vfs(source.rows, size) for source in sources))
    if as_json:
        click.echo(json.dumps([_change(change) for change in changes]))
        return
    for change in changes:
        click.echo(flashmap.change_text(change))
    lost = [change.old.label for change in changes if change.loses and change.old]
    click.echo(f"what they hold is lost: {', '.join(lost)}" if lost else "nothing is lost")


def _read(source: str, place: Place, board_name: str | None) -> tables.Source:
    """The table in ``source``, wherever that is."""
    if not ports.is_port(source):
        return tables.read(source, place)
    if board_name is None:
        raise click.UsageError(f"{source}: say what board it is with --board")
    with loader.connect(source, boards.load(board_name), lambda *_: None) as chip:
        rows, flash_size = chip.table(), chip.flash_size
        chip.reset()
    if not rows:
        raise HostError(f"{source}: its flash is erased where the table would be: mulligan board flash")
    return tables.Source(source, "board", rows, flash_size or None)


def _change(change: layouts.Change) -> dict[str, object]:
    return {
        "change": change.change,
        "loses": change.loses,
        "old": flashmap.as_dict(change.old) if change.old else None,
        "new": flashmap.as_dict(change.new) if change.new else None,
    }


def _smallest_flash(rows: list[Row]) -> int:
    """The smallest flash that is made and holds ``rows``."""
    return max(1 << 20, 1 << (max((row.offset + row.size for row in rows), default=1) - 1).bit_length())


def _print_map(rows: list[Row], size: int, place: Place) -> None:
    console = Console(highlight=False)
    console.print(flashmap.draw(rows, size, place))
    console.print(flashmap.legend(rows, size, place))
