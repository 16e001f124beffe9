"""``mulligan keys``: the keys that sign releases."""

from pathlib import Path

import rich_click as click

from mulligan_host import keys as signing


@click.group()
def keys() -> None:
    """Make the keys that sign releases."""


@keys.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--passphrase", envvar="MULLIGAN_PASSPHRASE", help="Encrypt the private key (or set $MULLIGAN_PASSPHRASE).")
def new(path: Path, passphrase: str | None) -> None:
    """Make a P-256 key pair: the private key at PATH, the public one beside it as .pub.pem."""
    signer = signing.create(path, passphrase)
    click.echo(f"{path}  private key, keep it safe{'' if passphrase else ' (not encrypted)'}")
    click.echo(f"{path.with_suffix('.pub.pem')}  public key, for devices; kid {signer.kid}")
