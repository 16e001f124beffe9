"""``mulligan model pack``: a model and its golden vectors become a slot image."""

from pathlib import Path

import rich_click as click

from mulligan.core import slot
from mulligan_host import files
from mulligan_host import pack as packing
from mulligan_host.cli.model.common import FILE
from mulligan_host.models.samples import load_samples


@click.command()
@click.argument("tflite", type=FILE)
@click.option("--name", required=True, help="What the app calls the model.")
@click.option("--version", required=True, help="Semantic version of the model.")
@click.option("--golden", required=True, type=FILE, help=".npz with x (samples) and y (their labels), as model golden makes it.")
@click.option("--labels", default="", help="Class names, comma-separated.")
@click.option("--tolerance", default=0, show_default=True, type=click.IntRange(0, 255),
              help="On an engine that isn't exact, how far an output byte may be from the golden one.")  # fmt: skip
@click.option("--same-winner", is_flag=True, help="On such an engine, the largest output must be where the golden one's is.")
@click.option("--native-arena", default=0, type=click.IntRange(0), metavar="BYTES",
              help="The arena that TFLite-Micro's own allocator wants; 0: not known.")  # fmt: skip
@click.option("-o", "--output", required=True, type=FILE)
def pack(
    tflite: Path, name: str, version: str, golden: Path, labels: str, tolerance: int, same_winner: bool, native_arena: int,
    output: Path,
) -> None:  # fmt: skip
    """Pack TFLITE with golden vectors: samples, the outputs the device has to compute for them, and their labels."""
    names = [label.strip() for label in labels.split(",")] if labels else []
    engines = packing.OtherEngines(tolerance, same_winner, native_arena)
    image = packing.pack(files.read(tflite), name, version, load_samples(golden), names, engines)
    files.write(output, image)
    header = slot.parse(image, len(image))
    click.echo(f"{output}  {len(image)} bytes, {header.golden} golden vectors, arena {header.arena} bytes")
