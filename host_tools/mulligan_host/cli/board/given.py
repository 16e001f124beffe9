"""What a board is provisioned with, as options that `board install` and `image build` share."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import rich_click as click

from mulligan.core import root as roots
from mulligan_host import ceremony, files, provision
from mulligan_host import keys as signing
from mulligan_host.artifacts import Part
from mulligan_host.cli.options import read_artifact

_FILE = click.Path(path_type=Path, dir_okay=False)
_OPTIONS = (
    click.option("--key", "keys", multiple=True, type=_FILE, help="A public key that may sign its releases; repeat for more."),
    click.option(
        "--root", type=_FILE, help="The signed root that it trusts, in place of --key: only such a board can take the next."
    ),
    click.option("--url", default="", help="Of the release directory that it polls; without it, releases come by board push."),
    click.option("--ca", type=_FILE, help="DER of the certificate authority of an https URL."),
    click.option("--cert", type=_FILE, help="DER of its own certificate, for a server that asks for one."),
    click.option("--cert-key", type=_FILE, help="DER of the private key to --cert; never a key that signs."),
    click.option("--name", help="What releases call its kind.  [default: the board's name]"),
    click.option("--channel", default=provision.Setup.channel, show_default=True),
    click.option("--group", default="", help="What orders call its group."),
    click.option("--device", default="", help="What orders call it alone."),
    click.option("--order", is_flag=True, help="Install only what a fleet key orders."),
    click.option(
        "--poll-ms", default=provision.Setup.poll_ms, show_default=True, type=click.IntRange(1), help="How often it polls."
    ),
    click.option("--app", type=_FILE, help="A main.py, in place of the example, or of whatever is there."),
    click.option(
        "--carried",
        type=_FILE,
        help="An app with the package in it (mulligan app pack --package): its slots carry that, so that releases update it.",
    ),
)


@dataclass(frozen=True)
class Given:
    """The options, as they were given; by itself, as they are where none was."""

    keys: tuple[Path, ...] = ()
    root: Path | None = None
    url: str = ""
    ca: Path | None = None
    cert: Path | None = None
    cert_key: Path | None = None
    name: str | None = None
    channel: str = provision.Setup.channel
    group: str = ""
    device: str = ""
    order: bool = False
    poll_ms: int = provision.Setup.poll_ms
    app: Path | None = None
    carried: Path | None = None

    def setup(self, board: str, parts: tuple[Part, ...] = ()) -> provision.Setup:
        """What a board of the kind ``board`` gets; whatever is wrong with a file is found out here.

        Raises: click.UsageError without --key or --root, or with both; FormatError, HostError, OSError for a file.
        """
        if self.carried and self.app:
            raise click.UsageError("give --app or --carried, whose main.py is in the app")
        if bool(self.keys) == bool(self.root):
            raise click.UsageError("give --key (a public key from: mulligan keys new) or --root, not both")
        publics = [signing.load_public(path) for path in self.keys]
        setup = provision.Setup(
            self.name or board,
            files.read(self.root) if self.root else ceremony.first([signing.Signer.generate()], publics),
            url=self.url + "/" * (not self.url.endswith("/")) if self.url else "",
            ca=_content(self.ca),
            cert=_content(self.cert),
            key=_content(self.cert_key),
            channel=self.channel,
            poll_ms=self.poll_ms,
            order=self.order,
            group=self.group,
            device=self.device,
            parts=(*parts, *([read_artifact(str(self.carried))] if self.carried else [])),
            carried=bool(self.carried),
        )
        roots.unpack(setup.root)
        return setup

    def program(self) -> bytes | None:
        """The main.py of --app. Raises: OSError."""
        return files.read(self.app) if self.app else None


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options, which ``command`` gets as ``given``, a `Given`."""
    names = [field.name for field in fields(Given)]

    @functools.wraps(command)
    def with_given(**values: Any) -> Any:
        return command(given=Given(**{name: values.pop(name) for name in names}), **values)

    for option in reversed(_OPTIONS):
        with_given = option(with_given)
    return with_given


def _content(path: Path | None) -> bytes:
    return files.read(path) if path else b""
