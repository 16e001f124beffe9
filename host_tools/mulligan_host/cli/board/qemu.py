"""``mulligan board qemu``: real firmware on an emulated ESP32."""

import threading
from pathlib import Path

import rich_click as click

from mulligan_host.virtual import qemu as emulator


@click.command()
@click.option("--firmware", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The combined .bin, or a dump.")
@click.option(
    "--flash", default=Path("qemu-flash.bin"), show_default=True, type=click.Path(path_type=Path, dir_okay=False),
    help="The flash file: made from the firmware if it is not there, and kept.",
)  # fmt: skip
@click.option("--seconds", type=float, help="Stop after so many.")
def qemu(firmware: Path, flash: Path, seconds: float | None) -> None:
    """Run real MicroPython firmware on Espressif's QEMU, until Ctrl-C, and say where its serial port is."""
    with emulator.running(firmware, flash) as where:
        click.echo(f"board: serial line at {where}")
        try:
            threading.Event().wait(seconds)
        except KeyboardInterrupt:
            return
