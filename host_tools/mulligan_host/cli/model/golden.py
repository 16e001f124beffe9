"""``mulligan model golden``: choose or make the vectors that a device is judged by."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import rich_click as click
from numpy.typing import NDArray

from mulligan_host import files
from mulligan_host.cli.model.common import FILE, FOLDER, JSON, MODEL
from mulligan_host.cli.progress import progress
from mulligan_host.errors import HostError
from mulligan_host.models import crosscheck, folders
from mulligan_host.models import golden as goldens
from mulligan_host.models.engine import Engine
from mulligan_host.models.samples import load_samples, quantise
from mulligan_host.models.source import read_model


@click.command()
@MODEL
@click.option("--from", "data", type=FILE, help="An .npz with x (samples) and, if they have any, y (labels).")
@click.option("--images", type=FOLDER, help="A folder of images, or of one folder for each class.")
@click.option("--wavs", type=FOLDER, help="A folder of wavs (16 bits, one channel), or of one folder for each class.")
@click.option("--real", type=(float, float), metavar="LOW HIGH",
              help="What the lowest and highest pixel or sample stand for; else their top 8 bits are the input's.")  # fmt: skip
@click.option("--count", default=goldens.COUNT, show_default=True, help="How many vectors.")
@click.option("--seed", default=1, show_default=True, help="For the inputs that are made where none are given.")
@click.option("--cross-check", is_flag=True, help="Ask the reference kernels of LiteRT 1.2 too, and fail if they differ.")
@click.option("-o", "--output", required=True, type=FILE, help="For the .npz, which model pack takes.")
@JSON
def golden(
    model: Path, data: Path | None, images: Path | None, wavs: Path | None, real: tuple[float, float] | None, count: int,
    seed: int, cross_check: bool, output: Path, as_json: bool,
) -> None:  # fmt: skip
    """Choose golden vectors for a MODEL, at least one of each label, with outputs that lie far apart.

    The samples come from an .npz or a folder; without any, inputs are made by a seeded generator that looks for such outputs.
    The expected outputs are the device's arithmetic's.
    """
    if sum(source is not None for source in (data, images, wavs)) > 1:
        raise click.UsageError("give one of --from, --images and --wavs")
    if real and not (images or wavs):
        raise click.UsageError("--real is for --images and --wavs")
    tflite, info = read_model(model)
    engine = Engine(tflite)
    labels = None
    if data or images or wavs:
        if data:
            samples = load_samples(data)
            inputs, labels = quantise(samples.x, info), samples.y
        elif images:
            inputs, labels = folders.load_images(images, info, real)
        else:
            assert wavs
            inputs, labels = folders.load_wavs(wavs, info, real)
        with progress(f"{len(inputs)} samples", len(inputs)) as told:
            chosen = goldens.from_inputs(engine, inputs, labels, count, told)
    else:
        with progress("looking for outputs", goldens.TRIES) as told:
            chosen = goldens.seeded(engine, count, seed, told)
    if cross_check:
        other = crosscheck.outputs(tflite, info, chosen.inputs)
        differ = int((other != chosen.outputs).any(axis=1).sum())
        if differ:
            raise HostError(f"{model}: LiteRT's reference kernels differ on {differ} of {len(chosen.inputs)} golden vectors")
    given = np.stack([np.frombuffer(vector, np.int8) for vector in chosen.inputs])
    arrays: dict[str, NDArray[Any]] = {"x": given, "outputs": chosen.outputs}
    if chosen.labels is not None:
        arrays["y"] = chosen.labels
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    files.write(output, stream.getvalue())
    span = chosen.span()
    facts = {
        "vectors": len(chosen.inputs),
        "labels": None if chosen.labels is None else len(np.unique(chosen.labels)),
        "right": chosen.right(),
        "winners": chosen.winners(),
        "span": span,
        "cross_checked": cross_check,
    }
    if as_json:
        click.echo(json.dumps(facts))
        return
    right = "" if chosen.labels is None else f", {facts['right']} with their label, of {facts['labels']} labels"
    click.echo(f"{output}  {facts['vectors']} golden vectors{right}")
    click.echo(f"  {facts['winners']} of {chosen.classes} outputs are the largest of a vector")
    if span is not None:
        click.echo(f"  an output covers {span:.0%} of its range, on average")
    if cross_check:
        click.echo("  LiteRT's reference kernels give the same bytes")
