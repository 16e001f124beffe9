"""The commands in docs/guide are there, with the options that they are shown with."""

import re
import shlex
from pathlib import Path

import click
import pytest

from mulligan_host.cli.main import cli

GUIDES = sorted((Path(__file__).parents[2] / "docs" / "guide").glob("*.md"))


def commands(guide: Path) -> list[str]:
    """Return each `mulligan …` of a guide: lines of code, and code in a sentence; … in one ends it."""
    text = guide.read_text(encoding="utf-8")
    lines = re.findall(r"^ {4}(mulligan .*?)(?: +#.*)?$", text, re.MULTILINE)
    return lines + [found.split("…")[0] for found in re.findall(r"`(mulligan [^`]*)`", text)]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_its_commands(guide: Path) -> None:
    shown = commands(guide)
    assert shown
    for line in shown:
        words = shlex.split(line)[1:]
        command: click.Command = cli
        with click.Context(cli) as context:
            while words and isinstance(command, click.Group):
                found = command.get_command(context, words.pop(0))
                assert found is not None, line
                command = found
        known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("-")} <= known, line


def test_the_rig_guide_lists_the_fields_of_a_rig_file() -> None:
    from dataclasses import fields

    from mulligan_host.hil.rig import Spec

    text = next(path for path in GUIDES if path.stem == "rig").read_text(encoding="utf-8")
    table = text.split("| field | meaning |")[1].split("\n\n")[0]
    assert re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))) == [
        field.name for field in fields(Spec)
    ]
