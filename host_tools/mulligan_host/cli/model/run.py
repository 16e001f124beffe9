"""``mulligan model run``: vectors through a model, here, on MicroPython or on a board."""

import json
import re
from pathlib import Path

import rich_click as click

from mulligan_host import files
from mulligan_host.cli.model.common import FILE, JSON, MODEL
from mulligan_host.cli.progress import parts, progress
from mulligan_host.errors import HostError
from mulligan_host.micropython import MicroPython, missing_reason, resolve
from mulligan_host.models import run as running
from mulligan_host.models.samples import load_inputs
from mulligan_host.models.source import read_model

_HEAP = {"unix": 256 << 10, "unix32": 128 << 10, "board": 128 << 10}
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20}


@click.command()
@MODEL
@click.option("--inputs", required=True, type=FILE, help="Input vectors: raw bytes back to back, or an .npz with an array x.")
@click.option("--on", "where", type=click.Choice(["host", "unix", "unix32", "board"]), default="host", show_default=True)
@click.option("--port", help="With --on board: where a true one is plugged in, in place of a virtual one.")
@click.option("--out", required=True, type=FILE, help="For the outputs: raw bytes back to back.")
@click.option("--stream", default=running.STREAM, show_default=True, type=click.IntRange(1), metavar="BYTES",
              help="The most bytes of the model that are read at a time.")  # fmt: skip
@click.option("--heap", metavar="SIZE", help="The whole heap of unix, unix32 or board, as in 27k.  [default: 256k on unix, 128k]")
@click.option("--fresh", is_flag=True, help="Start each vector from the state that a model begins with.")
@JSON
def run(
    model: Path,
    inputs: Path,
    where: str,
    port: str | None,
    out: Path,
    stream: int,
    heap: str | None,
    fresh: bool,
    as_json: bool,
) -> None:
    """Run vectors through a MODEL and keep its outputs.

    On the host, on MicroPython's 64-bit (unix) or 32-bit (unix32) port in a process of that heap in all, or on a virtual board,
    whose clock counts operations instead of time; with --port on a board on a cable, by the package that is on it: the model is
    a file in its vfs meanwhile, and no slot is written. Inputs and outputs are the bytes of the tensors, a model's several ones
    in order. Vectors run in order on one interpreter.
    """
    if port and where != "board":
        raise click.UsageError("--port is for --on board")
    if port and heap:
        raise click.UsageError("--heap is for virtual boards: that at --port has the heap that it has")
    size = _heap(heap, where)
    data, info = read_model(model)
    job = running.Job(data, info, load_inputs(inputs, info), stream, fresh)
    if port:
        done = _on_cable(job, port)
    else:
        with progress(f"{model.name} on {where}", len(job.inputs)) as told:
            if where == "host":
                done = running.on_host(job, told)
            elif where == "board":
                from mulligan_host.board_run import on_virtual_board

                done = on_virtual_board(job, _port(32), size, told)
            else:
                done = running.on_port(job, _port(32 if where == "unix32" else 64), size, told)
    files.write(out, done.outputs)
    count = len(job.inputs)
    facts = {
        "on": f"board at {port}" if port else "virtual board" if where == "board" else where,
        "kernels": done.kernels,
        "vectors": count,
        "macs": info.macs,
        "ns_per_mac": round(done.ns / count / max(1, info.macs), 3),
        "clock": done.clock,
        "reads": _per(done.reads, count),
        "bytes_read": _per(done.bytes_read, count),
        "load_reads": done.load_reads,
        "load_bytes": done.load_bytes,
        "arena": info.arena,
        "peak_heap": done.peak_heap,
        "heap": done.heap,
    }
    if as_json:
        click.echo(json.dumps(facts))
        return
    click.echo(f"{out}  {count} vectors on {facts['on']}, {done.kernels} kernels")
    note = "" if done.clock == "wall" else f" ({done.clock} clock: counted, not measured)"
    click.echo(f"  {facts['ns_per_mac']} ns/MAC{note}, {info.macs} multiply-accumulates an inference")
    click.echo(f"  {facts['reads']} flash reads an inference, {facts['bytes_read']} bytes; {done.load_reads} to load it")
    peak = "" if done.peak_heap is None else f"; peak heap {done.peak_heap} bytes, of {done.heap}"
    click.echo(f"  arena {info.arena} bytes{peak}")


def _on_cable(job: running.Job, port: str) -> running.Run:
    from mulligan_host.cable_run import on_cable
    from mulligan_host.desk.link import connect

    with parts() as told, connect(port) as link:
        return on_cable(job, link, told)


def _per(total: int, count: int) -> float:
    """A count per inference: whole where it is the same for each."""
    return total // count if total % count == 0 else round(total / count, 2)


def _heap(given: str | None, where: str) -> int:
    if given is None:
        return _HEAP.get(where, 0)
    match = re.fullmatch(r"(\d{1,9})([kKmM]?)", given)
    size = int(match[1]) * _UNITS[match[2].lower()] if match else 0
    if not 4 << 10 <= size <= 1 << 30:
        raise click.UsageError(f"--heap {given}: a size from 4k to 1024M, as in 27k")
    return size


def _port(bits: int) -> MicroPython:
    for mp in resolve():
        if mp.bits == bits:
            return mp
    raise HostError(missing_reason(bits))
