"""``mulligan board log``: what a board prints."""

import json
import re
import time
from dataclasses import asdict

import rich_click as click

from mulligan_host import boards, ports
from mulligan_host.cli.board import options
from mulligan_host.desk import report
from mulligan_host.desk.link import connect
from mulligan_host.errors import HostError

_FOR_EVER = 10.0**9


@click.command()
@options.ANY_BOARD
@options.PORT
@click.option("--until", metavar="REGEX", help="Stop when a line matches.")
@click.option("--timeout", type=click.FloatRange(0.0), help="Stop after so many seconds; with --until that is a failure.")
@click.option("--json", "as_json", is_flag=True, help="Print only reports of Mulligan's, as JSON, one a line.")
def log(board_name: str | None, port: str | None, until: str | None, timeout: float | None, as_json: bool) -> None:
    """Show what the board prints, until Ctrl-C. It is neither interrupted nor reset."""
    try:
        wanted = re.compile(until) if until is not None else None
    except re.error as e:
        raise click.UsageError(f"--until {until}: not a regular expression: {e}") from e
    at = ports.choose(port)
    deadline = time.monotonic() + (_FOR_EVER if timeout is None else timeout)
    with connect(at, boards.load(board_name) if board_name else None) as link:
        options.say_if_reset(link)
        while (left := deadline - time.monotonic()) > 0:
            raw = link.line(left)
            if raw is None:
                continue
            line = raw.decode("utf-8", "replace")
            event = report.parse(line)
            if not as_json:
                click.echo(line)
            elif event:
                click.echo(json.dumps(asdict(event)))
            if wanted and wanted.search(line):
                return
    if wanted:
        raise HostError(f"{at}: no line matched {until!r} within {timeout:g} s")
