"""``mulligan board status``: what is on a board, and how it fares."""

import json
from datetime import UTC, datetime
from typing import Any

import rich_click as click
from rich.console import Console
from rich.table import Table

from mulligan_host import boards, ports
from mulligan_host.cli.board import options
from mulligan_host.desk.link import connect
from mulligan_host.desk.status import status as status_of


@click.command()
@options.ANY_BOARD
@options.PORT
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(board_name: str | None, port: str | None, as_json: bool) -> None:
    """Show planes, versions, slots, trials, floors, why the board booted last, and what went wrong lately.

    The program is interrupted for that, and started again by a soft reset, which no version on trial is blamed for.
    """
    at = ports.choose(port)
    with connect(at, boards.load(board_name) if board_name else None) as link:
        options.say_if_reset(link)
        link.enter(soft_reset=False)
        found = status_of(link)
    if as_json:
        click.echo(json.dumps(found))
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    click.echo(f"{found['board'] or 'no board name'} {found['id']}: {found['machine']}, MicroPython {found['micropython']}")
    click.echo(f"last reset: {found['reset']}; runs from {found['running']}; package: {found['package'] or 'not installed'}")
    click.echo(f"free: {found['heap_free']} bytes of heap, {found['vfs_free']} of vfs")
    if found["url"]:
        click.echo(f"polls {found['url']} for {found['channel']}")
    journal = found["journal"]
    if journal is None:
        click.echo("no journal: the partition table is not one of Mulligan's")
        return
    root = "trusts a root" if journal["root"] else "trusts no root: mulligan board install"
    click.echo(f"release sequence {journal['sequence']}; {root}; starts {journal['starts']}, faults {journal['faults']}")
    table = Table("plane", "name", "slot", "version", "trial", "before", "floor", "frozen", box=None, padding=(0, 2, 0, 0))
    for entry in found["planes"]:
        trial, spare = entry["trial"], entry["spare"]
        table.add_row(
            entry["plane"],
            entry["name"],
            "-" if entry["slot"] is None else str(entry["slot"]),
            entry["version"] or "-",
            trial["version"] if trial else "-",
            spare["version"] if spare else "-",
            str(max(entry["floor"], entry["hard_floor"])),
            str(entry["frozen"]),
        )
    Console(highlight=False).print(table)
    for error in found["errors"]:
        click.echo(_error_text(error))


def _error_text(error: dict[str, Any]) -> str:
    """One line of the event log: when, what, of which artifact, and why."""
    when = f"{datetime.fromtimestamp(error['time'], UTC):%Y-%m-%d %H:%M} UTC" if error["time"] else "at an unknown time"
    what = " ".join(word for word in (error["event"], error["plane"], error["name"], error["version"]) if word)
    if error["event"] == "boot":
        what = "reset by the watchdog"
    why = f": {error['error'] or 'code'} ({error['code']})" if error["code"] else ""
    return f"error {error['number']}, {when}: {what}{why}"
