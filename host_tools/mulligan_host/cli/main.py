"""The command ``mulligan``: finds the subcommand, and renders every error as one line.

Exit codes: 0 done; 1 refused or failed, with ``error: …`` on stderr; 2 the command line is wrong; 130 interrupted.
``$MULLIGAN_DEBUG`` shows the traceback of an error instead.
"""

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import NoReturn

import click as plain_click
import rich_click as click

from mulligan_host import __version__
from mulligan_host.errors import MulliganError

# Each is a click command of that name, in the module of that name beside this one.
_COMMANDS = (
    "app", "board", "demo", "hil", "image", "keys", "micropython", "model", "package", "partitions", "patch", "release",
)  # fmt: skip


class _LazyGroup(click.RichGroup):
    """A group whose commands are imported on use: ``mulligan micropython`` needs neither esptool nor numpy."""

    def list_commands(self, ctx: plain_click.Context) -> list[str]:
        return [name for name in _COMMANDS if find_spec(f"{__package__}.{name}")]

    def get_command(self, ctx: plain_click.Context, cmd_name: str) -> plain_click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command = getattr(import_module(f"{__package__}.{cmd_name}"), cmd_name)
        assert isinstance(command, plain_click.Command)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mulligan")
def cli() -> None:
    """Updates of model, config and firmware for TinyML devices, signed, tried, and taken back when they fail."""


def main() -> NoReturn:
    """Run the command line of this process and exit."""
    try:
        code = cli.main(standalone_mode=False)
    except plain_click.exceptions.NoArgsIsHelpError as e:
        e.show()
        sys.exit(2)
    except plain_click.ClickException as e:
        _fail(e, e.format_message(), e.exit_code)
    except (plain_click.Abort, KeyboardInterrupt) as e:
        _fail(e, "interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read the output has enough
        sys.exit(0)
    except OSError as e:
        where = f"{os.fsdecode(e.filename)}: " if e.filename else ""
        _fail(e, where + (e.strerror or str(e)))
    except MulliganError as e:
        _fail(e, str(e))
    # A command returns None; click gives its own exit code for --help, --version and ctx.exit().
    sys.exit(code if isinstance(code, int) else 0)


def _fail(error: BaseException, message: str, code: int = 1) -> NoReturn:
    if os.environ.get("MULLIGAN_DEBUG"):
        raise error
    print("error: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(code)
