"""``mulligan model``: slot images."""

from pathlib import Path

import rich_click as click

from mulligan.core import slot
from mulligan_host import files
from mulligan_host import pack as packing

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def model() -> None:
    """Pack a model into a slot image."""


@model.command()
@click.argument("tflite", type=_FILE)
@click.option("--name", required=True, help="What the app calls the model.")
@click.option("--version", required=True, help="Semantic version of the model.")
@click.option("--golden", required=True, type=_FILE, help=".npz with x (samples) and y (their labels).")
@click.option("--labels", default="", help="Class names, comma-separated.")
@click.option("-o", "--output", required=True, type=_FILE)
def pack(tflite: Path, name: str, version: str, golden: Path, labels: str, output: Path) -> None:
    """Pack TFLITE with golden vectors: samples, the outputs the device has to compute for them, and their labels."""
    names = [label.strip() for label in labels.split(",")] if labels else []
    image = packing.pack(files.read(tflite), name, version, packing.load_samples(golden), names)
    files.write(output, image)
    header = slot.parse(image, len(image))
    click.echo(f"{output}  {len(image)} bytes, {header.golden} golden vectors, arena {header.arena} bytes")
