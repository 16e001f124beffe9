"""Our patches of the models in models/, beside the full artifact and bsdiff4."""

from collections.abc import Iterator

import bsdiff4
from rich.table import Table

from mulligan_host import delta, pack
from mulligan_host.micropython import MicroPython
from mulligan_host.models.samples import load_samples
from mulligan_host.resources import resource

MODELS = ("1.0.0", "1.1.0", "1.2.0-bad", "1.3.0-slow")


def tables(ports: list[MicroPython]) -> Iterator[Table]:
    samples = load_samples(resource("models/golden.npz"))
    images = {
        version: pack.pack(resource(f"models/digits-{version}.tflite").read_bytes(), "digits", version, samples, [])
        for version in MODELS
    }
    table = Table(title="patches from digits 1.0.0, bytes", title_justify="left")
    for column in ("to", "artifact", "full, deflated", "patch", "% of full", "bsdiff4 (bzip2)"):
        table.add_column(column, justify="right")
    for version in MODELS[1:]:
        base, new = images["1.0.0"], images[version]
        made = len(delta.make(base, new))
        sizes = (len(new), len(delta.make(b"", new)), made)
        share = f"{100 * made / len(new):.1f}"
        table.add_row(version, *map(str, sizes), share, str(len(bsdiff4.diff(base, new))))
    yield table
