"""``mulligan model compare``: two models on one data set, and the gate that the second has to pass."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import rich_click as click
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from mulligan_host.cli.model.common import FILE, JSON
from mulligan_host.cli.progress import progress
from mulligan_host.models import compare as comparing
from mulligan_host.models import gate as gates
from mulligan_host.models.source import read_model


@click.command()
@click.argument("a", metavar="A", type=FILE)
@click.argument("b", metavar="B", type=FILE)
@click.option("--data", type=FILE, help=".npz with x, y, and any arrays slice_NAME; else the gate's own.")
@click.option("--gate", "gate_path", type=FILE, help="TOML or JSON of thresholds that B has to reach; exit code 1 if not.")
@JSON
def compare(a: Path, b: Path, data: Path | None, gate_path: Path | None, as_json: bool) -> None:
    """Compare models A and B on a data set: accuracy slice by slice, agreement, confusion.

    A slice is all samples, those of one label, or those of one value of an array slice_NAME.
    """
    gate = gates.load(gate_path) if gate_path else None
    path = data or (gate.data if gate else None)
    if path is None:
        raise click.UsageError("give --data, or a --gate that names its data")
    found = comparing.load_data_set(path)
    outputs: list[comparing.Outputs] = []
    for model in (a, b):
        tflite, _ = read_model(model)
        with progress(f"{len(found.y)} samples through {model.name}", len(found.y)) as told:
            outputs.append(comparing.run(tflite, found, told))
    result = comparing.compare(outputs[0], outputs[1], found)
    verdicts = gates.judge(gate, result) if gate else []
    if as_json:
        slices = {
            name: asdict(share) | {"accuracy_a": share.accuracy_a, "accuracy_b": share.accuracy_b, "agreement": share.agreement}
            for name, share in result.shares.items()
        }
        confusion = {"a": comparing.as_lists(result.confusion_a), "b": comparing.as_lists(result.confusion_b)}
        click.echo(json.dumps({"slices": slices, "confusion": confusion, "gate": [asdict(v) for v in verdicts]}))
    else:
        console = Console()
        console.print(_slices(result))
        console.print(_confusion(result.confusion_b))
        for verdict in verdicts:
            console.print(("pass  " if verdict.passed else "FAIL  ") + str(verdict), highlight=False)
    if gate:
        gates.require(gate, result)


def _slices(result: comparing.Comparison) -> Table:
    table = Table(title="accuracy and agreement", title_justify="left")
    for column in ("slice", "samples", "A right", "B right", "B - A", "agree", "same bytes"):
        table.add_column(column, justify="left" if column == "slice" else "right")
    for name, share in result.shares.items():
        assert share.accuracy_a is not None
        assert share.agreement is not None
        same = "-" if share.same is None else f"{share.same / share.samples:.2%}"
        difference = f"{100 * (share.accuracy_b - share.accuracy_a):+.2f}"
        table.add_row(
            name,
            str(share.samples),
            f"{share.accuracy_a:.2%}",
            f"{share.accuracy_b:.2%}",
            difference,
            f"{share.agreement:.2%}",
            same,
        )
    return table


def _confusion(confusion: NDArray[np.int64]) -> Table:
    table = Table(title="B: label (row) taken for class (column)", title_justify="left")
    for column in ("", *map(str, range(confusion.shape[1]))):
        table.add_column(column, justify="right")
    for label, row in enumerate(confusion):
        table.add_row(str(label), *(str(n) if n else "·" for n in row))
    return table
