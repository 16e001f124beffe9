"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import rich_click as click

from mulligan.core.errors import MulliganError
from mulligan.core.p256_comb import MAX_WIDTH
from mulligan_host import combs, command, files, hsm, signers
from mulligan_host.artifacts import Part, recognise
from mulligan_host.errors import HostError

_FILE = click.Path(path_type=Path, dir_okay=False)


def key_option(*, multiple: bool = False) -> Callable[[Any], Any]:
    """``--key``: what signs, as mulligan_host.signers takes it; a path must not be a directory."""
    more = " Repeat for more." if multiple else ""
    name = "signing_keys" if multiple else "key"
    return click.option(
        "--key", name, required=not multiple, multiple=multiple, metavar="KEY", callback=checked_key, help=signers.HELP + more
    )


def width_option(command: Callable[..., None]) -> Callable[..., None]:
    """``--width``: of the tables that go with the keys of a root."""
    return click.option(
        "--width",
        default=combs.DEFAULT_WIDTH,
        show_default=True,
        type=click.IntRange(0, MAX_WIDTH),
        help="Of the tables beside its keys, which make verification fast: 8 + 64 · 2^width bytes each; 0: no tables.",
    )(command)


def read_artifact(argument: str, mpy: int = 0) -> Part:
    """Return what PATH or PATH=VERSION names. Raises: FormatError, HostError, OSError."""
    path, equals, version = argument.rpartition("=")
    if not equals or Path(argument).exists():
        path, version = argument, ""
    try:
        return recognise(files.read(_FILE.convert(path, None, None)), version, mpy)
    except MulliganError as e:
        raise HostError(f"{path}: {e}") from e


def checked_key(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """A callback for one KEY or for several."""
    for key in value if isinstance(value, tuple) else (value,):
        if is_path(key):
            click.Path(dir_okay=False).convert(key, param, ctx)
    return value


def is_path(key: str) -> bool:
    """Whether a KEY is the path of a file."""
    return not key.startswith((hsm.SCHEME, command.MESSAGE, command.DIGEST))
