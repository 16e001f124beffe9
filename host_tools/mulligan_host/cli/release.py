"""``mulligan release``: build, sign, verify, show."""

import json
from pathlib import Path

import rich_click as click

from mulligan.core import keyset, manifest, slot
from mulligan.core import preflight as preflights
from mulligan_host import ceremony, inspection, signers
from mulligan_host import keys as signing
from mulligan_host import release as releases
from mulligan_host.cli.options import key_option, read_artifact, width_option
from mulligan_host.cli.progress import progress
from mulligan_host.cli.secret import ask
from mulligan_host.errors import HostError
from mulligan_host.models import compare as comparing
from mulligan_host.models import gate as gates
from mulligan_host.models.source import model_of

_FILE = click.Path(path_type=Path, dir_okay=False)
_DIRECTORY = click.option(
    "--dir", "directory", required=True, type=click.Path(path_type=Path, file_okay=False), help="The release directory."
)
_CHANNEL = click.option("--channel", default="stable", show_default=True)


@click.group()
def release() -> None:
    """Build, sign, verify and show releases."""


@release.command()
@_DIRECTORY
@click.argument("artifacts", metavar="ARTIFACT[=VERSION]...", nargs=-1, required=True)
@click.option("--board", "boards", multiple=True, required=True, help="A board it is for; repeat for more.")
@click.option("--correct", type=int, help="Golden vectors that must get their label; needed with a model.")
@click.option("--latency-us", default=0, help="The most that 9 of 10 inferences may take; 0: no limit.")
@click.option("--p50-us", default=0, help="The most that every second inference may take; 0: no limit.")
@click.option("--p99-us", default=0, help="The most that 99 of 100 inferences may take; 0: no limit.")
@click.option("--arena", default=0, help="The most bytes of arena; 0: no limit.")
@click.option("--heap", default=12288, show_default=True, help="The fewest bytes of heap that must stay free; 0: no limit.")
@click.option("--shadow-runs", default=0, help="Live inputs that the model must see, unused, before it is confirmed; 0: none.")
@click.option("--shadow-every", default=1, show_default=True, help="Take every how manieth live input for that.")
@click.option("--shadow-agree", default=1000, show_default=True, help="Per mille of them that must agree with the old model.")
@click.option("--live-runs", default=0, help="Inferences of the app that a model must answer before it is confirmed; 0: none.")
@click.option("--live-errors", default=0, show_default=True, help="The most of them that may raise.")
@click.option(
    "--live-drift", default=0, help="How much their winners may be distributed otherwise than golden, per mille; 0: any."
)
@click.option("--confirm", is_flag=True, help="The app has to call mulligan.confirm() before the deadline.")
@click.option(
    "--mpy", default=0, help="sys.implementation._mpy of a firmware; else that of MicroPython 1.23 and later on its chip."
)
@click.option("--attempts", default=2, show_default=True, help="Failed starts that end the trial.")
@click.option("--deadline-ms", default=10000, show_default=True, help="How long one attempt may take.")
@click.option("--watchdog-ms", default=8000, show_default=True, help="How long one attempt may show no progress.")
@click.option("--boot-ms", default=3000, show_default=True, help="The longest boot of these boards.")
@click.option("--days", default=365, show_default=True, help="How long it may be installed.")
@click.option("--requires", multiple=True, metavar="PLANE=VERSION", help="Lowest version of another plane.")
@click.option("--after", default="", metavar="VERSION", help="The lowest version of the artifact that it may follow.")
@click.option("--hard-floor", default=0, metavar="COUNTER", help="Once confirmed, nothing below runs again; 0: no such floor.")
@click.option("--preflight", multiple=True, metavar="FIELD=VALUE", help="Not before, as in battery=30; repeat for more.")
@click.option("--release", "version", help="Version of the release; else the model's.")
@click.option("--gate", "gate_path", type=_FILE, help="Thresholds that the model has to reach, or there is no release.")
@click.option("--data", type=_FILE, help="What the gate is judged on; else the data that it names.")
def build(
    directory: Path, artifacts: tuple[str, ...], boards: tuple[str, ...], correct: int | None, boot_ms: int, days: int,
    requires: tuple[str, ...], after: str, hard_floor: int, preflight: tuple[str, ...],
    version: str | None, gate_path: Path | None, data: Path | None,
    mpy: int, confirm: bool, **health: int,
) -> None:  # fmt: skip
    """Build a release of one artifact or several, with patches from the versions before them.

    An ARTIFACT is a model slot image, an app image (mulligan app pack), an ESP-IDF app image, or a config in JSON, which names no
    version of its own: config.json=1.2.0. Devices take all of them together, or none. With a --gate (see mulligan model compare)
    only if its model passes; the version before is the last release's.
    """
    needed = {}
    for item in requires:
        plane, equals, lowest = item.partition("=")
        if not equals:
            raise click.UsageError(f"--requires {item}: write PLANE=VERSION")
        needed[plane] = lowest
    parts = [read_artifact(artifact, mpy) for artifact in artifacts]
    models = [part.content for part in parts if part.plane == "model"]
    if models and correct is None:
        raise click.UsageError("--correct: how many golden vectors must get their label?")
    source = releases.Directory(directory)
    if gate_path:
        for content in models:
            _pass(gates.load(gate_path), data, content, source)
    elif data:
        raise click.UsageError("--data is for a --gate")
    rules = releases.Health(correct=correct or 0, confirm=int(confirm), **health)
    limits = _thresholds(preflight)
    built = source.build(releases.Order(parts, list(boards), rules, version, days, boot_ms, needed, after, hard_floor, limits))
    _print(built)
    click.echo(f"sign it with: mulligan release sign --dir {directory} {built.release} --key KEY")


@release.command()
@_DIRECTORY
@click.argument("version")
@key_option()
@click.option("--passphrase", help="Others see this in the list of processes: set $MULLIGAN_PASSPHRASE, or type it.")
@_CHANNEL
def sign(directory: Path, version: str, key: str, passphrase: str | None, channel: str) -> None:
    """Sign release VERSION and publish it on a channel."""
    signer = signers.open_signer(key, ask, passphrase)
    path = releases.Directory(directory).sign(version, signer, channel)
    click.echo(f"{path}  {path.stat().st_size} bytes, kid {signer.kid}")


@release.command()
@_DIRECTORY
@click.argument("version")
@key_option()
@click.option("--passphrase", help="Others see this in the list of processes: set $MULLIGAN_PASSPHRASE, or type it.")
@click.option("--board", "boards", multiple=True, help="A board it is for; repeat for more.")
@click.option("--group", "groups", multiple=True, help="A group of devices it is for; repeat for more.")
@click.option("--device", "devices", multiple=True, help="A device it is for; repeat for more.")
@click.option("--days", default=30, show_default=True, help="How long it stands.")
@_CHANNEL
def order(
    directory: Path, version: str, key: str, passphrase: str | None, boards: tuple[str, ...], groups: tuple[str, ...],
    devices: tuple[str, ...], days: int, channel: str,
) -> None:  # fmt: skip
    """Order release VERSION, with a fleet KEY, to the devices of a channel that wait for an order.

    To all of them, or to those that a --board, a --group or a --device names.
    """
    signer = signers.open_signer(key, ask, passphrase)
    source = releases.Directory(directory)
    given = source.order(version, signer, releases.Targets(boards, groups, devices), days, channel)
    click.echo(f"{source.channel_order(channel)}  order {given.sequence}, for {inspection.targets(given)}, kid {signer.kid}")


@release.command()
@_DIRECTORY
@click.argument("path", metavar="ROOT", type=_FILE)
@width_option
def root(directory: Path, path: Path, width: int) -> None:
    """Publish a signed ROOT, made by mulligan keys, for devices to catch up on. It stays there for good.

    Behind it go tables of its keys, with which devices verify their signatures several times as fast.
    """
    published = releases.Directory(directory).add_root(ceremony.with_tables(ceremony.load(path), width))
    click.echo(f"{published}")


@release.command()
@_DIRECTORY
@click.option("--key", "publics", multiple=True, type=_FILE, help="A public key that may sign it; repeat for more.")
@click.option("--root", type=_FILE, help="In place of --key: the root whose release keys may sign it.")
@_CHANNEL
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def verify(directory: Path, publics: tuple[Path, ...], root: Path | None, channel: str, as_json: bool) -> None:
    """Check a channel as a device would, and that each source yields its artifact; print every check, and why.

    Exit code: 0 if none failed, 1 if one did, 2 if the command line is wrong.
    """
    if bool(publics) == bool(root):
        raise click.UsageError("give --key (a public key) or --root")
    keys = {keyset.key_id(key): key for key in map(signing.load_public, publics)}
    found = inspection.Inspection(releases.Directory(directory), channel, ceremony.load(root) if root else keys)
    if as_json:
        click.echo(json.dumps(found.plain(), indent=2))
    else:
        width = max(len(check.name) for check in found.checks)
        for check in found.checks:
            mark = {True: "ok  ", False: "FAIL", None: "-   "}[check.ok]
            click.echo(f"{mark}  {check.name:<{width}}  {check.reason}")
    if found.failed:
        raise HostError(
            f"{len(found.failed)} of {len(found.checks)} checks failed: {found.failed[0].name}: {found.failed[0].reason}"
        )


@release.command()
@_DIRECTORY
@click.option("--json", "as_json", is_flag=True, help="Print the payloads as a JSON list.")
def show(directory: Path, as_json: bool) -> None:
    """Show the releases of a directory."""
    source = releases.Directory(directory)
    found = source.releases()
    if as_json:
        click.echo(json.dumps([json.loads(source.payload(r.release)) for r in found], indent=2))
        return
    for built in found:
        _print(built)


def _pass(gate: gates.Gate, data: Path | None, image: bytes, source: releases.Directory) -> None:
    """Judge the model of ``image``. Raises: HostError if it does not pass the gate."""
    path = data or gate.data
    if path is None:
        raise click.UsageError("the gate names no data: give --data")
    found = comparing.load_data_set(path)
    header = slot.parse(image, len(image))
    before = source.latest("model", header.name)
    with progress(f"gate: {len(found.y)} samples", len(found.y)) as told:
        old = None if before is None else comparing.run(model_of(before), found, told)
        new = comparing.run(model_of(image), found, told)
    for verdict in gates.require(gate, comparing.compare(old, new, found)):
        click.echo(f"gate: {verdict}")


def _print(built: manifest.Manifest) -> None:
    click.echo(f"release {built.release}  sequence {built.sequence}, for {', '.join(built.boards)}")
    for a in built.artifacts:
        patches = f", patch index {a.patches.size}" if a.patches else ""
        click.echo(f"  {a.plane}/{a.name} {a.version}  {a.size} bytes, full {a.full.size}{patches}")
    click.echo(f"  back on a good version within {manifest.bound_of(built)} ms of activation")


def _thresholds(given: tuple[str, ...]) -> dict[str, int | list[str]]:
    """What ``FIELD=VALUE …`` says of a preflight; whether a device takes it is looked at when the release is built."""
    found: dict[str, int | list[str]] = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not equals or key not in preflights.KNOWN or (key != "network" and not value.isdecimal()):
            raise HostError(f"--preflight {each}: FIELD=VALUE, of {', '.join(preflights.KNOWN)}")
        found[key] = value.split(",") if key == "network" else int(value)
    return found
