"""``make bench``: bytes, counts and ratios of the hot paths. No absolute times: this machine's are nobody else's.

Ratios are taken inside one interpreter and run; a count is exact. ``make bench ONLY="patches"`` runs some of it.
Each part is a module here with ``tables(ports)``.
"""

import argparse
import importlib
import sys

from rich.console import Console

from mulligan_host.micropython import resolve

PARTS = ("patches", "inference", "instructions", "memory", "verify")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"out of {', '.join(PARTS)}; all unless told")
    console = Console(width=130)
    ports = resolve()
    for part in parser.parse_args().parts:
        for table in importlib.import_module(part).tables(ports):
            console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
