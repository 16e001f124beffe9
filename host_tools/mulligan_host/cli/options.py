"""Options that several commands share."""

from collections.abc import Callable
from typing import Any

import rich_click as click

from mulligan_host import command, hsm, signers


def key_option(*, multiple: bool = False) -> Callable[[Any], Any]:
    """``--key``: what signs, as mulligan_host.signers takes it; a path must not be a directory."""
    more = " Repeat for more." if multiple else ""
    name = "signing" if multiple else "key"
    return click.option(
        "--key", name, required=not multiple, multiple=multiple, metavar="KEY", callback=_checked, help=signers.HELP + more
    )


def _checked(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    path = click.Path(dir_okay=False)
    for key in value if isinstance(value, tuple) else (value,):
        if not key.startswith((hsm.SCHEME, command.MESSAGE, command.DIGEST)):
            path.convert(key, param, ctx)
    return value
