"""Options that several commands share."""

from collections.abc import Callable
from typing import Any

import rich_click as click

from mulligan.core.p256_comb import MAX_WIDTH
from mulligan_host import combs, command, hsm, signers


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


def checked_key(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """A callback for one KEY or for several."""
    for key in value if isinstance(value, tuple) else (value,):
        if is_path(key):
            click.Path(dir_okay=False).convert(key, param, ctx)
    return value


def is_path(key: str) -> bool:
    """Whether a KEY is the path of a file."""
    return not key.startswith((hsm.SCHEME, command.MESSAGE, command.DIGEST))
