"""``mulligan board install``: Mulligan onto a board that runs stock MicroPython."""

import json
from dataclasses import asdict
from pathlib import Path

import rich_click as click

from mulligan.core import root as roots
from mulligan_host import boards, ceremony, files, ports, provision
from mulligan_host import keys as signing
from mulligan_host.cli.board import options
from mulligan_host.cli.progress import parts
from mulligan_host.desk import install as installing
from mulligan_host.desk import push
from mulligan_host.desk.link import connect

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@options.BOARD
@options.PORT
@click.option("--key", "keys", multiple=True, type=_FILE, help="A public key that may sign its releases; repeat for more.")
@click.option(
    "--root", type=_FILE, help="The signed root that it trusts, in place of --key: only such a board can take the next."
)
@click.option("--url", default="", help="Of the release directory that it polls; without it, releases come by board push.")
@click.option("--ca", type=_FILE, help="DER of the certificate authority of an https URL.")
@click.option("--cert", type=_FILE, help="DER of its own certificate, for a server that asks for one.")
@click.option("--cert-key", type=_FILE, help="DER of the private key to --cert; never a key that signs.")
@click.option("--name", help="What releases call its kind.  [default: the board's name]")
@click.option("--channel", default="stable", show_default=True)
@click.option("--group", default="", help="What orders call its group.")
@click.option("--device", default="", help="What orders call it alone.")
@click.option("--order", is_flag=True, help="Install only what a fleet key orders.")
@click.option("--poll-ms", default=provision.Setup.poll_ms, show_default=True, type=click.IntRange(1), help="How often it polls.")
@click.option("--app", type=_FILE, help="A main.py, in place of whatever is there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def install(
    board_name: str, port: str | None, keys: tuple[Path, ...], root: Path | None, url: str, ca: Path | None, cert: Path | None,
    cert_key: Path | None, name: str | None, channel: str, group: str, device: str, order: bool, poll_ms: int, app: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Install Mulligan into the filesystem of a board: the light install, for the desk.

    Only files that differ are copied. boot.py becomes ours, and yours user_boot.py, which ours runs; your main.py is left alone.
    Keys and journal are written once, and then left alone.
    """
    if bool(keys) == bool(root):
        raise click.UsageError("give --key (a public key from: mulligan keys new) or --root, not both")
    board = boards.load(board_name)
    publics = [signing.load_public(path) for path in keys]
    setup = provision.Setup(
        name or board.name,
        files.read(root) if root else ceremony.first([signing.Signer.generate()], publics),
        url=url + "/" * (not url.endswith("/")) if url else "",
        ca=files.read(ca) if ca else b"",
        cert=files.read(cert) if cert else b"",
        key=files.read(cert_key) if cert_key else b"",
        channel=channel,
        poll_ms=poll_ms,
        order=order,
        group=group,
        device=device,
    )
    roots.unpack(setup.root)  # whatever is wrong with a file is said before a board is touched
    program = files.read(app) if app else None
    at = ports.choose(port)
    with connect(at, board) as link, parts() as progress:
        options.say_if_reset(link)
        link.enter(soft_reset=False)
        done = installing.install(link, setup, program, progress)
        link.resume()
        push.comes_up(link)
    if as_json:
        click.echo(json.dumps(asdict(done)))
        return
    for path in done.copied:
        click.echo(f"copied   {path}")
    for path in done.removed:
        click.echo(f"removed  {path}: not of this version")
    for path, why in done.left.items():
        click.echo(f"left     {path}: {why}")
    click.echo(f"unchanged: {len(done.unchanged)} files; package: {done.package}")
    click.echo("keys and journal written" if done.provisioned else "keys and journal were there, and are left alone")
