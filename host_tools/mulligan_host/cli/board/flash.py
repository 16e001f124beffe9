"""``mulligan board flash``: stock MicroPython under a layout of Mulligan's."""

import json
from pathlib import Path

import rich_click as click
from rich.console import Console

from mulligan.core.errors import FormatError
from mulligan.core.partitions import Row
from mulligan_host import flashing, layouts, loader, ports
from mulligan_host.cli import flashmap
from mulligan_host.cli.board import options
from mulligan_host.cli.progress import parts
from mulligan_host.errors import HostError


@click.command()
@options.FIRMWARE
@options.BOARD
@options.LAYOUT
@options.PORT
@click.option("--baud", type=click.IntRange(9600), help="In place of the board's.")
@click.option("--erase-moved", is_flag=True, help="Go on though data on the board would be lost.")
@click.option("--dry-run", is_flag=True, help="Only print what would be written, and with --port what would be lost.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def flash(
    firmware: Path, board_name: str, layout: str | None, port: str | None, baud: int | None,
    erase_moved: bool, dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Flash the combined MicroPython image FIRMWARE, a .bin from micropython.org, under Mulligan's partition table.

    What the board holds stays where both tables have the same partition in the same place. Where data would be lost, nothing is
    done without --erase-moved.
    """
    plan = options.plan(firmware, board_name, layout)
    changes: list[layouts.Change] = []
    at = port if dry_run else ports.choose(port)
    if at is not None:
        with parts() as progress, loader.connect(at, plan.board, progress, baud) as chip:
            changes = _changes(plan, chip, erase_moved or dry_run)
            if not dry_run:
                _write(plan, chip, changes)
            chip.reset()
    if as_json:
        click.echo(json.dumps(_described(plan, changes, dry_run)))
        return
    _print(plan, changes)
    if dry_run:
        click.echo(f"nothing was written{'' if at else '; give --port to see what the board has'}")
    else:
        click.echo(f"{at} is flashed" + ("; press RESET (or EN)" if plan.board.port.reset == "none" else ""))


def _changes(plan: flashing.Plan, chip: loader.Loader, agreed: bool) -> list[layouts.Change]:
    """What becomes of what the board holds. Raises: HostError if that has to be agreed to first."""
    if chip.flash_size and chip.flash_size < plan.board.flash:
        mb = f"{chip.flash_size >> 20} MB"
        raise HostError(
            f"the board has a flash of {mb}, {plan.board.name} one of {plan.board.flash >> 20} MB: give another --board"
        )
    try:
        old = chip.table() or []
    except FormatError as e:
        if not agreed:
            raise HostError(f"{e}: what is on it would be lost; go on with --erase-moved") from None
        old = []
    changes = flashing.replaced(old, plan, chip.flash_size or plan.board.flash) if old else layouts.diff([], plan.rows)
    lost = [change.old for change in changes if flashing.precious(change) and change.old]
    lost = [row for row in lost if not chip.is_erased(row.offset, row.size)]
    if lost and not agreed:
        names = ", ".join(row.label for row in lost)
        raise HostError(f"the board holds data that would be lost: {names}; copy what you need, then go on with --erase-moved")
    return changes


def _write(plan: flashing.Plan, chip: loader.Loader, changes: list[layouts.Change]) -> None:
    for offset, size in flashing.to_erase(changes, plan.rows):
        chip.erase(offset, size)
    for part in plan.parts:
        chip.write(part.what, part.offset, part.data)


def _print(plan: flashing.Plan, changes: list[layouts.Change]) -> None:
    console = Console(highlight=False)
    app = plan.app
    slot = next(row for row in plan.rows if row.offset == plan.parts[0].offset)
    console.print(flashmap.draw(plan.rows, plan.board.flash))
    console.print(flashmap.legend(plan.rows, plan.board.flash))
    click.echo(f"layout   {plan.layout}")
    first = Path(plan.board.partitions[0]).stem
    if plan.layout == Path(plan.board.partitions[-1]).stem != first:
        click.echo(
            f"note     the firmware does not fit {first}, the layout for board install: that needs MicroPython's OTA build, or "
            "firmware with Mulligan frozen in"
        )
    click.echo(f"app      {app.project} {app.version}: {slot.size - len(app.data)} bytes of {slot.label} are left")
    for part in plan.parts:
        click.echo(f"write    {part.what:18}{part.offset:#x} {len(part.data)} bytes")
    for change in changes:
        if change.change != "added":
            click.echo(flashmap.change_text(change))


def _described(plan: flashing.Plan, changes: list[layouts.Change], dry_run: bool) -> dict[str, object]:
    return {
        "board": plan.board.name,
        "layout": plan.layout,
        "chip": plan.app.chip,
        "project": plan.app.project,
        "version": plan.app.version,
        "written": not dry_run,
        "parts": [{"what": part.what, "offset": part.offset, "size": len(part.data)} for part in plan.parts],
        "partitions": [flashmap.as_dict(row) for row in plan.rows],
        "changes": [{"change": c.change, "loses": c.loses, "label": _label(c)} for c in changes],
    }


def _label(change: layouts.Change) -> str:
    row: Row | None = change.old or change.new
    assert row is not None
    return str(row.label)
