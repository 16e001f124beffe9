"""``mulligan board virtual``: the virtual board."""

import re
import threading
from pathlib import Path

import rich_click as click

from mulligan.core import partitions
from mulligan.core.errors import FormatError
from mulligan_host import ceremony, files, provision
from mulligan_host import keys as signing
from mulligan_host.cli.options import read_artifact, width_option
from mulligan_host.cli.serial_line import serial_options
from mulligan_host.errors import HostError
from mulligan_host.micropython import MicroPython, resolve
from mulligan_host.virtual.board import BoardError, VirtualBoard
from mulligan_host.virtual.flash import create
from mulligan_host.virtual.serial.wires import Wires

_FILE = click.Path(path_type=Path, dir_okay=False)
_NEW = "For a new FLASH: "


@click.command()
@click.argument("flash", type=_FILE)
@click.option("--key", "keys", multiple=True, type=_FILE, help=_NEW + "a public key that may sign its releases; repeat for more.")
@click.option(
    "--root", type=_FILE, help=_NEW + "the signed root it trusts, in place of --key: only such a board can take the next."
)
@width_option
@click.option("--model", type=_FILE, help=_NEW + "the slot image that it starts with.")
@click.option("--url", help=_NEW + "of the release directory it polls.")
@click.option("--ca", type=_FILE, help=_NEW + "DER of the certificate authority of an https URL.")
@click.option("--cert", type=_FILE, help=_NEW + "DER of its own certificate, for a server that asks for one.")
@click.option("--cert-key", type=_FILE, help=_NEW + "DER of the private key to --cert; never a key that signs.")
@click.option("--board", "name", help=_NEW + "what releases call it.  [default: virtual]")
@click.option("--order", is_flag=True, help=_NEW + "install only what a fleet key orders (mulligan release order).")
@click.option("--group", help=_NEW + "what orders call its group.")
@click.option("--device", help=_NEW + "what orders call it alone.")
@click.option("--poll-ms", type=click.IntRange(1), help=_NEW + "how often it polls.  [default: 60000]")
@click.option("--app", type=_FILE, help=_NEW + "a main.py in place of the example app.")
@click.option("--carried", type=_FILE, help=_NEW + "an app with the package in it, which its slots carry.")
@click.option("--blank", is_flag=True, help=_NEW + "let it be erased, for a tool to flash.")
@click.option("--size", default=4, show_default=True, type=click.IntRange(1, 16), help="Megabytes of flash.")
@click.option("--power-cut", type=click.IntRange(1), metavar="N", help="Let the power fail inside the N-th flash operation.")
@click.option("--until", metavar="REGEX", help="Stop when a console line matches.")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait for --until.")
@serial_options
def virtual(
    flash: Path, keys: tuple[Path, ...], root: Path | None, width: int, model: Path | None, url: str | None, ca: Path | None,
    cert: Path | None, cert_key: Path | None, name: str | None, order: bool, group: str | None, device: str | None,
    poll_ms: int | None, app: Path | None, carried: Path | None, blank: bool, size: int, power_cut: int | None, until: str | None,
    timeout: float, wires: Wires,
) -> None:  # fmt: skip
    """Run the virtual board whose flash is the file FLASH, until Ctrl-C, and show its console.

    If there is no such file, a new board is made. Its flash stays for the next run. With --serial or --pty, esptool and
    mpremote take it for an ESP32. Exit code: 0; 1 if the board failed, or if no line matched --until.
    """
    try:
        wanted = re.compile(until) if until is not None else None
    except re.error as e:
        raise click.UsageError(f"--until {until}: not a regular expression: {e}") from e
    ports = resolve()
    given = (keys, root, model, url, ca, cert, cert_key, name, order, group, device, poll_ms, app, carried)
    if blank and (any(given) or flash.exists()):
        raise click.UsageError(f"{flash}: --blank makes a new, erased flash; leave out what would fill it, or remove the file")
    if blank:
        create(flash, b"\xff" * (size << 20))
    elif not flash.exists():
        if bool(keys) == bool(root):
            raise click.UsageError(
                f"{flash}: not there; to make a new board, give --key (a public key from: mulligan keys new) or --root, not both"
            )
        publics = [signing.load_public(path) for path in keys]
        setup = provision.Setup(
            name or "virtual",
            files.read(root) if root else ceremony.first([signing.Signer.generate()], publics),
            files.read(model) if model else None,
            url + "/" * (not url.endswith("/")) if url else "",
            files.read(ca) if ca else b"",
            files.read(cert) if cert else b"",
            files.read(cert_key) if cert_key else b"",
            poll_ms=poll_ms or provision.Setup.poll_ms,
            width=width,
            order=order,
            group=group or "",
            device=device or "",
            parts=[read_artifact(str(carried))] if carried else [],
            carried=bool(carried),
            files={"main.py": files.read(app)} if app else {},
        )
        provision.virtual_flash(flash, setup, _main_port(ports), size << 20)
    elif any(given):
        raise click.UsageError(
            f"{flash}: is there already; leave out --key, --root, --model, --url and the like, or remove the file"
        )
    line = wires.line()
    with (
        VirtualBoard(flash, ports, size=size << 20, on_line=lambda text: click.echo(text), line=line, chip=wires.chip) as running,
        wires.connected(line) as where,
    ):
        if line is None:
            _has_table(running, flash)
        else:
            click.echo(f"board: serial line at {where}")
        if power_cut:
            running.cut_power(power_cut)
        running.power_on()
        if wanted:
            _wait(running, wanted, timeout)
            return
        try:
            why = running.wait_off(threading.TIMEOUT_MAX)
        except KeyboardInterrupt:
            return  # how a board that runs for ever is ended
    if why.startswith("failed"):
        raise HostError(f"{flash}: the board {why}")


def _main_port(ports: list[MicroPython]) -> MicroPython:
    """The 32-bit port, whose words are the ESP32's; the first where there is none."""
    return next((mp for mp in ports if mp.bits == 32), ports[0])


def _wait(running: VirtualBoard, wanted: re.Pattern[str], timeout: float) -> None:
    try:
        running.wait(wanted, timeout)
    except BoardError as e:
        when = f"within {timeout:g} s" if running.powered else "before the board stopped"
        raise HostError(f"no console line matched {wanted.pattern!r} {when}") from e


def _has_table(running: VirtualBoard, flash: Path) -> None:
    try:
        partitions.decode(running.flash.peek(partitions.TABLE_OFFSET, partitions.TABLE_SIZE))
    except FormatError as e:
        raise HostError(f"{flash}: not a board's flash ({e}); remove it and give --key to make a new board") from e
