"""Our patches of the models in models/, beside the full artifact and bsdiff4; and what decoding them costs (see ``decode``)."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import bsdiff4
import decode
from rich.table import Table

from mulligan.core import patch
from mulligan_host import delta, pack
from mulligan_host.build import build_package
from mulligan_host.micropython import MicroPython
from mulligan_host.models.samples import load_samples
from mulligan_host.resources import resource

SHARED = Path(__file__).parents[3] / "shared" / "pairs"
DENSE = ("gen_cnn_scratch", "gen_cnn_ft1e3", "mww_okay_nabu_v2")
"""Of the shared pairs, where they lie beside this checkout: the densest, and two of many short segments."""
DOCS = Path(__file__).parents[2] / "docs"
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
    for mp in ports:
        yield _costs(mp, images)


def _costs(mp: MicroPython, images: dict[str, bytes]) -> Table:
    bars = ", ".join(f"{bar} in tier {tier}" for tier, bar in decode.BARS.items())
    table = Table(title=f"decoding, {mp.label}; viper loops at most, in the densest patch: {bars}", title_justify="left")
    for column in ("from", "to", "tier", "bytes", "heap, at most", "a byte, in viper loops", "the firmware's inflater, SHA-256"):
        table.add_column(column, justify="right")
    first, fine = images["1.0.0"], images["1.1.0"]
    pairs = [
        ("1.0.0", "1.1.0", first, fine),
        ("1.0.0", "1.3.0-slow", first, images["1.3.0-slow"]),
        ("nothing", "1.1.0", b"", fine),
    ]
    for folder in (SHARED / name for name in DENSE):
        if folder.is_dir():
            pairs.append((folder.name, "new", (folder / "old.bin").read_bytes(), (folder / "new.bin").read_bytes()))
    # New code and new text, in place of what has little in common with it.
    code = b"".join(path.read_bytes() for path in sorted(build_package(mp).rglob("*.mpy")))
    pairs.append(("half a package", "its rest", code[: len(code) // 2], code[len(code) // 2 :]))
    pairs.append(("DESIGN.md", "SPEC.md", *((DOCS / name).read_bytes() for name in ("DESIGN.md", "SPEC.md"))))
    for old, new, base, artifact in pairs:
        for tier in (patch.TIER_DEFLATE, patch.TIER_RANGE) if base else (patch.TIER_DEFLATE,):
            data = delta.make(base, artifact, (tier,))
            heap = decode.heap(mp, base, artifact, sha256(artifact).digest(), data)
            costs = [f"{cost:.1f}" for cost in decode.cost(mp, base, data) if cost is not None] if mp.has_native else ["no viper"]
            table.add_row(old, new, str(tier), str(len(data)), str(heap), *costs)
    return table
