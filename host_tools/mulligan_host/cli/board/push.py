"""``mulligan board push`` and ``rollback``: another version, over the cable."""

import json
from dataclasses import asdict
from pathlib import Path

import rich_click as click

from mulligan_host import boards, ports
from mulligan_host.cli.board import options
from mulligan_host.cli.progress import progress
from mulligan_host.desk import board as seen
from mulligan_host.desk import push as pushing
from mulligan_host.desk.link import Link, connect
from mulligan_host.desk.report import Event
from mulligan_host.errors import HostError

_MOST_BYTES = 1 << 24  # of a progress bar whose end is not known


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@options.ANY_BOARD
@options.PORT
@click.option("--timeout", default=120.0, show_default=True, help="Seconds to wait for the verdict of the trial.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def push(directory: Path, board_name: str | None, port: str | None, timeout: float, as_json: bool) -> None:
    """Push the release in the release DIRECTORY over the cable, and wait until the board has confirmed it or gone back.

    The board asks for what it needs, checks it as if it came over the network, and goes on where an earlier push ended.
    Exit code 1 if it refuses the release, or goes back.
    """
    at = ports.choose(port)
    told: list[Event] = []

    def tell(event: Event) -> None:
        told.append(event)
        if not as_json:
            facts = " ".join(f"{key}={value}" for key, value in event.facts.items())
            click.echo(f"{event.event} {facts}" + (f" reason={event.reason}" if event.reason else ""))

    with connect(at, boards.load(board_name) if board_name else None) as link:
        options.say_if_reset(link)
        link.enter(soft_reset=True)
        link.interrupted = True  # main.py is to run again, whether it ran before or not
        prefix = _ready(link)
        with progress("pushing", _MOST_BYTES) as moved:
            done = pushing.push(link, directory, prefix, tell, moved)
        names = {event.facts["name"] for event in done.events if event.event == "activated"}
        verdict = None
        if done.on_trial:
            link.resume()
            verdict = pushing.watch(link, names, timeout, tell)
    outcome = verdict.event if verdict else "on trial" if done.on_trial else "refused" if done.refused else "nothing new"
    if as_json:
        click.echo(json.dumps({"outcome": outcome, "sent": done.sent, "events": [asdict(event) for event in told]}))
    else:
        click.echo(outcome)
    if outcome == "refused":
        assert done.refused is not None
        raise HostError(f"{at}: refused: {done.refused.reason}")
    if outcome == "rolled-back":
        assert verdict is not None
        raise HostError(f"{at}: {verdict.facts['name']} {verdict.facts.get('version')} failed its trial: {verdict.reason}")
    if outcome == "on trial":
        raise HostError(f"{at}: no verdict within {timeout:g} s; follow it with mulligan board log")


@click.command()
@click.argument("plane", type=click.Choice(["firmware", "app", "model", "config"]))
@options.ANY_BOARD
@options.PORT
@click.option("--name", help="Of the model, where there are several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def rollback(plane: str, board_name: str | None, port: str | None, name: str | None, as_json: bool) -> None:
    """Have the board go back to the version of PLANE before the one that it runs, and freeze that."""
    at = ports.choose(port)
    with connect(at, boards.load(board_name) if board_name else None) as link:
        options.say_if_reset(link)
        link.enter(soft_reset=True)
        link.interrupted = True
        _ready(link)
        link.start(f"import mulligan\nmulligan.rollback({plane!r}, {name!r})")
        event = pushing.fell_back(link)
    if as_json:
        click.echo(json.dumps(asdict(event)))
    else:
        click.echo(f"{event.facts['name']} is {event.facts['version']} again")


def _ready(link: Link) -> str:
    """The URL that the board has configured. Raises: HostError where it can't take a release."""
    found = seen.look(link)
    seen.require(found, link.port)
    config = seen.config_of(found)
    if found.mulligan is None or not config:
        raise HostError(f"{link.port}: Mulligan does not run there: mulligan board install")
    journal = seen.journal(link)
    if journal is not None and journal.state.on_trial():
        raise HostError(f"{link.port}: a version is on trial there: wait for its end (mulligan board log)")
    return str(config.get("url", ""))
