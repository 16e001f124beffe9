"""``mulligan model inspect``: what a model is made of, and what it would cost on each board."""

import json
from dataclasses import asdict
from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.table import Table

from mulligan_host import boards, files
from mulligan_host.cli.model.common import JSON, MODEL
from mulligan_host.errors import MulliganError
from mulligan_host.models.inspector import Inspection, Tensor
from mulligan_host.models.inspector import inspect as look
from mulligan_host.models.source import model_of


@click.command()
@MODEL
@JSON
def inspect(model: Path, as_json: bool) -> None:
    """Show the operators, shapes, quantisation and cost of a MODEL.

    Flash reads are counted in one inference here, which reads as the device does. Times are estimates: operations times what
    one is taken to cost on the board.
    """
    try:
        found = look(model_of(files.read(model)))
    except MulliganError as e:
        raise type(e)(f"{model}: {e}") from e
    estimates = [(board, found.time_us(board.speed)) for board in map(boards.load, boards.names())] if found.info else []
    if as_json:
        facts = {
            "size": found.size,
            "problem": found.problem,
            "arena": found.info.arena if found.info else None,
            "macs": found.info.macs if found.info else None,
            "reads": found.reads,
            "bytes_read": found.bytes_read,
            "operators": [asdict(operator) for operator in found.operators],
            "boards": {board.name: {"us": us, "assumption": board.assumption} for board, us in estimates},
        }
        click.echo(json.dumps(facts))
        return
    console = Console()
    console.print(_operators(found))
    if found.info is None:
        console.print(f"The device refuses this model: {found.problem}", highlight=False)
        return
    console.print(
        f"{found.size} bytes; arena {found.info.arena} bytes; an inference: {found.info.macs} multiply-accumulates, "
        f"{found.reads} flash reads of {found.bytes_read} bytes",
        highlight=False,
    )
    for board, us in estimates:
        console.print(f"{board.name}: about {us / 1000:.3g} ms an inference, assuming {board.assumption}", highlight=False)


def _operators(found: Inspection) -> Table:
    table = Table(title="operators", title_justify="left")
    for column in ("", "operator", "input", "constants", "output", "MACs", "reads", "bytes"):
        table.add_column(column, justify="right" if column in ("", "MACs", "reads", "bytes") else "left")
    for i, o in enumerate(found.operators):
        inputs = [t for t in o.inputs if t]
        activations = "\n".join(_words(t) for t in inputs if not t.bytes)
        constants = "\n".join(_words(t) for t in inputs if t.bytes)
        outputs = "\n".join(map(_words, o.outputs))
        name = o.name + (f"\n{o.problem}" if o.problem else "")
        table.add_row(str(i), name, activations, constants, outputs, str(o.macs), str(o.reads), str(o.bytes_read))
    return table


def _words(t: Tensor) -> str:
    """``1×8×8×1 INT8 0.0625, -128``: shape, type, scale (or how many there are) and zero point."""
    shape = "×".join(map(str, t.shape)) or "scalar"
    quantisation = "" if t.scale is None else f" {t.scale:.4g}, {t.zero_point}" if t.scales == 1 else f" {t.scales} scales"
    return f"{shape} {t.type}{quantisation}"
