"""The options of ``mulligan board virtual`` that are about its serial line."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rich_click as click

from mulligan_host.virtual.serial.faults import NONE, Faults
from mulligan_host.virtual.serial.registers import PROFILES
from mulligan_host.virtual.serial.wires import Wires

_PORT = 2217
_SHARE = click.FloatRange(0, 1)

_OPTIONS = (
    click.option(
        "--serial", "port", type=click.IntRange(0, 65535), is_flag=False, flag_value=_PORT, metavar="[PORT]",
        help=f"Serve its serial line by RFC 2217, on PORT (if left out {_PORT}; 0: any that is free).",
    ),
    click.option("--pty", is_flag=True, help="Serve its serial line on a pseudo-terminal, which has no DTR and RTS."),
    click.option("--link", type=click.Path(path_type=Path), help="With --pty: a path that is to point to it."),
    click.option("--chip", default="esp32", show_default=True, type=click.Choice(list(PROFILES)), help="In download mode."),
    click.option("--download", is_flag=True, help="Start in download mode, as with GPIO0 held low."),
    click.option("--drop", default=0.0, type=_SHARE, metavar="SHARE", help="Of the bytes on the line, lose so many."),
    click.option("--flip", default=0.0, type=_SHARE, metavar="SHARE", help="Of the bytes on the line, spoil so many."),
    click.option("--noise-seed", "seed", default=0, help="Which bytes those are."),
    click.option("--latency-ms", default=0.0, type=click.FloatRange(0), help="How long a byte is on its way."),
    click.option("--paced", is_flag=True, help="Let bytes take the time that they take at the baud rate."),
    click.option("--dies-after", type=click.IntRange(1), metavar="BYTES", help="Cut each connection after BYTES of the board's."),
    click.option("--mute-after", type=click.IntRange(1), metavar="BYTES", help="Let it say BYTES and no more until reset."),
)  # fmt: skip


def serial_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give ``command`` these options as its one argument ``wires``."""

    @functools.wraps(command)
    def with_wires(
        *, port: int | None, pty: bool, link: Path | None, chip: str, download: bool, drop: float, flip: float, seed: int,
        latency_ms: float, paced: bool, dies_after: int | None, mute_after: int | None, **others: Any,
    ) -> None:  # fmt: skip
        faults = Faults(drop, flip, seed, latency_ms, paced, dies_after, mute_after)
        if port is not None and pty:
            raise click.UsageError("--serial and --pty: a board has one serial line; give one of them")
        if link is not None and not pty:
            raise click.UsageError("--link: only for --pty")
        if port is None and not pty and (faults != NONE or download):
            raise click.UsageError("--download, --drop and the like are for a board with --serial or --pty")
        command(wires=Wires(port, pty, link, chip, download, faults), **others)

    for option in reversed(_OPTIONS):
        with_wires = option(with_wires)
    return with_wires
