"""Arguments and options that the commands about models share."""

from pathlib import Path

import rich_click as click

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
MODEL = click.argument("model", metavar="MODEL", type=FILE)
JSON = click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
