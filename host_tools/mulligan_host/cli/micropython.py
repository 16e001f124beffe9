"""``mulligan micropython``: which interpreters the tests and the virtual board use."""

import json
from pathlib import Path

import rich_click as click

from mulligan_host import files
from mulligan_host.micropython import resolve


@click.command()
@click.option(
    "--firmware", type=click.Path(path_type=Path, dir_okay=False), help="Write it there as a firmware for the virtual board, too."
)
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects for a script to read.")
def micropython(firmware: Path | None, as_json: bool) -> None:
    """Find a real MicroPython (1.23 or newer) and print its path and version.

    Looked for in this order: $MICROPYTHON; `micropython` on PATH; on Debian and its family the packaged one, unpacked into a
    cache directory, 64-bit and 32-bit. Nothing on the system is changed.
    """
    ports = resolve()
    if firmware:
        from mulligan_host.virtual import image  # which needs esptool, littlefs and more

        files.write(firmware, image.stock(next((mp for mp in ports if mp.bits == 32), ports[0])))
    if as_json:
        click.echo(
            json.dumps(
                [
                    {
                        "label": mp.label,
                        "argv": list(mp.argv),
                        "version": ".".join(map(str, mp.version)),
                        "bits": mp.bits,
                        "mpy": mp.mpy,
                        "arch": mp.arch,
                    }
                    for mp in ports
                ],
                indent=2,
            )
        )
        return
    for mp in ports:
        code = f"native code {mp.arch}" if mp.arch else "bytecode only"
        click.echo(f"{mp.argv[-1]}  {'.'.join(map(str, mp.version))}  {mp.bits}-bit, {code}")
