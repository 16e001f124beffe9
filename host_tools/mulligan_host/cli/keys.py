"""``mulligan keys``: the keys that sign, and what devices know of them."""

import json
from pathlib import Path

import rich_click as click

from mulligan_host import combs, files, keyfiles, signers
from mulligan_host import keys as signing
from mulligan_host.cli.options import key_option
from mulligan_host.cli.secret import ask

_FILE = click.Path(path_type=Path, dir_okay=False)
_OUT = click.option("-o", "--out", required=True, type=_FILE, help="The file to write.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")


@click.group()
def keys() -> None:
    """Make the keys that sign, look at them, and tell devices of them."""


@keys.command()
@click.argument("path", type=_FILE)
@click.option("--encrypt", is_flag=True, help="Encrypt the private key: with $MULLIGAN_PASSPHRASE, or as typed.")
@click.option("--passphrase", help="Others see this in the list of processes: use --encrypt.")
def new(path: Path, encrypt: bool, passphrase: str | None) -> None:
    """Make a P-256 key pair: the private key at PATH, the public one beside it as .pub.pem."""
    if encrypt and passphrase is None:
        passphrase = ask("MULLIGAN_PASSPHRASE", f"new passphrase for {path}", twice=True)
    signer = signing.create(path, passphrase)
    click.echo(f"{path}  private key, keep it safe{'' if passphrase else ' (not encrypted)'}")
    click.echo(f"{path.with_suffix('.pub.pem')}  public key, for devices; kid {signer.kid}")


@keys.command()
@click.argument("paths", metavar="FILE…", nargs=-1, required=True, type=_FILE)
@click.option("--of", type=_FILE, help="The public key that a table should be of: every entry is checked.")
@_JSON
def show(paths: tuple[Path, ...], of: Path | None, as_json: bool) -> None:
    """Show what is in FILE: a key in PEM, a table, or a root. A private key is never shown."""
    found = [{"file": str(path), **keyfiles.describe(path, signing.load_public(of) if of else None)} for path in paths]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for facts in found:
        click.echo(f"{facts.pop('file')}  {facts.pop('kind')}")
        for name, value in facts.items():
            click.echo(f"  {name} {str(value).lower() if isinstance(value, bool) else value}")


@keys.command()
@click.argument("public", type=_FILE)
@click.option("--width", default=5, show_default=True, type=click.IntRange(2, 10), help="Bits that one step looks up.")
@_OUT
def table(public: Path, width: int, out: Path) -> None:
    """Make the table that lets a device verify signatures by the PUBLIC key several times as fast."""
    made = combs.table(signing.load_public(public), width)
    files.write(out, made)
    click.echo(f"{out}  {len(made)} bytes, width {width}")


@keys.command()
@key_option()
@_OUT
def export(key: str, out: Path) -> None:
    """Write the public half of a key, in PEM, wherever the private half is."""
    signer = signers.open_signer(key, ask)
    files.write(out, signing.public_pem(signer.public))
    click.echo(f"{out}  public key of {signer.name}, kid {signer.kid}")
