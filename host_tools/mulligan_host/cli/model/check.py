"""``mulligan model check``: will a model fit a board?"""

import json
from dataclasses import asdict
from pathlib import Path

import rich_click as click

from mulligan.tflite import loader
from mulligan_host import boards, files
from mulligan_host.board_run import on_virtual_board
from mulligan_host.cli.model.common import JSON, MODEL
from mulligan_host.errors import HostError, MulliganError
from mulligan_host.micropython import MicroPython, resolve
from mulligan_host.models import fit
from mulligan_host.models.run import Job
from mulligan_host.models.samples import input_size
from mulligan_host.models.source import ByteSource
from mulligan_host.update_run import update

_WORDS = {True: "yes", False: "NO", None: "not known"}


@click.command()
@MODEL
@click.option("--board", "name", required=True, help="esp32, or another of the boards/ there are.")
@JSON
def check(model: Path, name: str, as_json: bool) -> None:
    """Check whether a MODEL fits a board: operators, arena, heap, slot, update. Exit code 1 if it does not.

    The heap is that of a virtual board with as much as the board has, which loads the model from its slot and runs it, and then
    takes an update of it, over TLS.
    """
    board = boards.load(name)
    try:
        findings = fit.check(files.read(model), board, _peak_heap, _update)
    except MulliganError as e:
        raise type(e)(f"{model}: {e}") from e
    fits = all(finding.fits is not False for finding in findings)
    if as_json:
        click.echo(json.dumps({"board": name, "fits": fits, "findings": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            click.echo(f"{_WORDS[finding.fits]:10}{finding.check:10}{finding.reason}")
    if not fits:
        missed = ", ".join(finding.check for finding in findings if finding.fits is False)
        raise HostError(f"{model} does not fit {name}: {missed}")


def _port() -> MicroPython:
    port = next((mp for mp in resolve() if mp.bits == 32), None)
    if port is None:
        raise HostError("not tried: there is no 32-bit MicroPython here")
    return port


def _peak_heap(model: bytes, heap: int) -> int:
    info = loader.inspect(ByteSource(model))
    run = on_virtual_board(Job(model, info, [bytes(input_size(info))]), _port(), heap, lambda _: None)
    assert run.peak_heap is not None
    return run.peak_heap


def _update(model: bytes, heap: int) -> int:
    return update(model, _port(), heap)
