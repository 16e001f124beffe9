"""``mulligan model``: run, measure and judge models, and pack them into slot images. A module for each of its commands."""

import rich_click as click

from mulligan_host.cli.model.check import check
from mulligan_host.cli.model.compare import compare
from mulligan_host.cli.model.golden import golden
from mulligan_host.cli.model.inspect import inspect
from mulligan_host.cli.model.pack import pack
from mulligan_host.cli.model.run import run


@click.group()
def model() -> None:
    """Run, measure and judge a model; pack it into a slot image.

    A MODEL is a .tflite file, or a slot image of one.
    """


for _command in (run, inspect, check, golden, compare, pack):
    model.add_command(_command)
