"""``mulligan micropython``: which interpreters the tests and the virtual board use."""

import json

import rich_click as click

from mulligan_host.micropython import resolve


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects for a script to read.")
def micropython(as_json: bool) -> None:
    """Find a real MicroPython (1.23 or newer) and print its path and version.

    Looked for in this order: $MICROPYTHON; `micropython` on PATH; on Debian and its family the packaged one, unpacked into a
    cache directory, 64-bit and 32-bit. Nothing on the system is changed.
    """
    ports = resolve()
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
