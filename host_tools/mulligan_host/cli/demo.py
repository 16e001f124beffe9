"""``mulligan demo``."""

import sys

import rich_click as click
from rich.console import Console

from mulligan_host.demo import Demo


@click.command()
def demo() -> None:
    """Show an update, two bad ones, a stranger and a power cut on one virtual board. Exit code 0 only if all is as it should."""
    if not Demo(Console()).run():
        sys.exit(1)
