"""``mulligan keys``: the keys that sign, and what devices know of them."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rich_click as click

from mulligan.core import root as roots
from mulligan.core.p256_comb import MAX_WIDTH, MIN_WIDTH
from mulligan_host import ceremony, combs, files, keyfiles, signers
from mulligan_host import keys as signing
from mulligan_host.cli.options import checked_key, is_path, key_option, width_option
from mulligan_host.cli.secret import ask
from mulligan_host.errors import HostError

_FILE = click.Path(path_type=Path, dir_okay=False)
_OUT = click.option(
    "-o", "--out", required=True, type=_FILE, help="The file to write: a new one, so that no key is written over."
)
_BEFORE = click.option("--before", type=_FILE, help="The root before it: its signatures are counted too.")
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
@_BEFORE
@_JSON
def show(paths: tuple[Path, ...], of: Path | None, before: Path | None, as_json: bool) -> None:
    """Show what is in FILE: a key in PEM, a table, or a root and who has signed it. A private key is never shown."""
    key, earlier = signing.load_public(of) if of else None, ceremony.load(before) if before else None
    found = [{"file": str(path), **keyfiles.describe(path, key, earlier)} for path in paths]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for facts in found:
        click.echo(f"{facts.pop('file')}  {facts.pop('kind')}")
        for name, value in facts.items():
            for line in _lines(name, value):
                click.echo(f"  {line}")


@keys.command()
@click.argument("public", type=_FILE)
@click.option(
    "--width",
    default=combs.DEFAULT_WIDTH,
    show_default=True,
    type=click.IntRange(MIN_WIDTH, MAX_WIDTH),
    help="Bits that one step looks up.",
)
@_OUT
def table(public: Path, width: int, out: Path) -> None:
    """Make the table that lets a device verify signatures by the PUBLIC key several times as fast."""
    made = combs.table(signing.load_public(public), width)
    files.write(out, made, replace=False)
    click.echo(f"{out}  {len(made)} bytes, width {width}")


@keys.command()
@click.argument("what", metavar="KEY|ROOT", callback=checked_key)
@click.option("--size", default=0x8000, show_default=True, help="Bytes of the keys partition, for a root.")
@width_option
@_OUT
def export(what: str, size: int, width: int, out: Path) -> None:
    """Write what others are to have: the public half of a KEY, in PEM, or the keys partition of a new board that trusts ROOT.

    KEY is what `--key` is elsewhere, so this also gets the public key of a PKCS#11 token. The partition goes onto a board with
    esptool, at the address that the partition table says.
    """
    if not is_path(what) or not files.read(Path(what)).startswith(roots.MAGIC):
        signer = signers.open_signer(what, ask)
        files.write(out, signing.public_pem(signer.public), replace=False)
        click.echo(f"{out}  public key of {signer.name}, kid {signer.kid}")
        return
    signed = ceremony.load(Path(what))
    files.write(out, ceremony.partition(signed, size, width), replace=False)
    click.echo(f"{out}  {size} bytes: keys partition with root {signed.root.number}")


# Roots


def _change(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a root that is to follow another."""
    for option in (
        click.option("--threshold", type=click.IntRange(1, roots.MAX_KEYS), help="How many root keys must sign the next root."),
        click.option("--days", type=click.IntRange(0), help="How long anything may be installed under it; 0: for ever."),
        click.option(
            "--ceiling", type=click.IntRange(0), metavar="N", help="Bring floors and sequences that are higher down to N."
        ),
        key_option(multiple=True),
        _OUT,
    ):
        command = option(command)
    return command


def _role(role: str) -> Callable[..., Any]:
    text = {"root": "signs roots", "release": "signs releases", "fleet": "signs orders"}[role]
    return click.option(f"--{role}", multiple=True, type=_FILE, help=f"A public key that {text} from now on; repeat for more.")


@keys.command("root")
@_role("root")
@_role("release")
@_role("fleet")
@click.option("--threshold", type=click.IntRange(1, roots.MAX_KEYS), help="How many root keys must sign.  [default: all]")
@click.option(
    "--days", default=0, type=click.IntRange(0), help="How long anything may be installed under it.  [default: for ever]"
)
@key_option(multiple=True)
@_OUT
def new_root(
    root: tuple[Path, ...], release: tuple[Path, ...], fleet: tuple[Path, ...], threshold: int | None, days: int,
    signing_keys: tuple[str, ...], out: Path,
) -> None:  # fmt: skip
    """Make root 1: which keys a new board trusts, and for what."""
    change = ceremony.Change(_public({"root": root, "release": release, "fleet": fleet}), (), threshold, days)
    _finish(ceremony.propose(None, change), None, signing_keys, out)


@keys.command()
@click.argument("before", type=_FILE)
@_role("root")
@_role("release")
@_role("fleet")
@click.option("--remove", multiple=True, metavar="KID", help="A key that loses all its roles; repeat for more.")
@_change
def rotate(
    before: Path, root: tuple[Path, ...], release: tuple[Path, ...], fleet: tuple[Path, ...], remove: tuple[str, ...],
    threshold: int | None, days: int | None, ceiling: int | None, signing_keys: tuple[str, ...], out: Path,
) -> None:  # fmt: skip
    """Make the root after BEFORE: keys added, keys removed, or the same ones for another while."""
    change = ceremony.Change(_public({"root": root, "release": release, "fleet": fleet}), remove, threshold, days, ceiling)
    earlier = ceremony.load(before)
    _finish(ceremony.propose(earlier, change), earlier, signing_keys, out)


@keys.command()
@click.argument("before", type=_FILE)
@click.argument("kids", metavar="KID…", nargs=-1, required=True)
@_change
def revoke(
    before: Path, kids: tuple[str, ...], threshold: int | None, days: int | None, ceiling: int | None,
    signing_keys: tuple[str, ...], out: Path,
) -> None:  # fmt: skip
    """Make the root after BEFORE without the keys KID: what only they have signed is refused by each device that has it.

    A release key in wrong hands may have raised floors out of reach: --ceiling brings them down.
    """
    earlier = ceremony.load(before)
    proposed = ceremony.propose(earlier, ceremony.Change({}, kids, threshold, days, ceiling))
    if not roots.keys_for(proposed.root, roots.RELEASE):
        raise HostError("that leaves no key that signs releases: use keys rotate, with --remove and --release")
    _finish(proposed, earlier, signing_keys, out)


@keys.command()
@click.argument("path", metavar="ROOT", type=_FILE)
@_BEFORE
@click.option("--with", "copies", multiple=True, type=_FILE, help="A copy of ROOT that was signed elsewhere; repeat for more.")
@key_option(multiple=True)
def sign(path: Path, before: Path | None, copies: tuple[Path, ...], signing_keys: tuple[str, ...]) -> None:
    """Add signatures to ROOT: of keys that are here, and those that copies of it have got elsewhere."""
    earlier = ceremony.load(before) if before else None
    merged = ceremony.merge(ceremony.load(path), [ceremony.load(copy) for copy in copies])
    _finish(merged, earlier, signing_keys, path, replace=True)


def _public(paths: dict[str, tuple[Path, ...]]) -> dict[str, list[bytes]]:
    return {role: [signing.load_public(path) for path in given] for role, given in paths.items()}


def _finish(
    proposed: roots.Signed, before: roots.Signed | None, keys: tuple[str, ...], out: Path, *, replace: bool = False
) -> None:
    """Sign, write and say what is still missing."""
    signed = ceremony.sign(proposed, before, [signers.open_signer(key, ask) for key in keys])
    quorums = ceremony.quorums(signed, before)
    files.write(out, ceremony.packed(signed), replace=replace)
    click.echo(f"{out}  root {signed.root.number}")
    for quorum in quorums:
        click.echo(f"  {quorum}")
    if not before and signed.root.number > 1:
        click.echo("  what the root before it asks for is not counted: give --before")


def _lines(name: str, value: Any) -> Iterator[str]:
    """One fact for people."""
    if name in ("issued", "expires"):
        yield f"{name} {datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC" if value else f"{name} never"
    elif name == "keys":
        for key in value:
            yield f"key {key['kid']}  {', '.join(key['roles'])}"
    elif name == "asked":
        for asked in value:
            yield str(ceremony.Quorum(asked["by"], asked["needed"], asked["signed"], asked["missing"]))
    elif name == "signatures":
        yield f"signed by {', '.join(value) or 'nobody'}"
    elif value is not None:
        yield f"{name} {str(value).lower() if isinstance(value, bool) else value}"
