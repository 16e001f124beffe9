"""The command line's frame: lazy commands, and every error one line with its exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import rich_click as click

from mulligan_host.cli import main as cli_main
from mulligan_host.errors import HostError


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "mulligan_host", *arguments], capture_output=True, text=True)


def test_version_and_help() -> None:
    assert run("--version").stdout.startswith("mulligan, version ")
    helped = run("--help")
    assert helped.returncode == 0
    assert "micropython" in helped.stdout


def test_every_command_has_help() -> None:
    for name in cli_main.cli.list_commands(click.Context(cli_main.cli)):
        done = run(name, "--help")
        assert (done.returncode, done.stderr) == (0, ""), name


@pytest.mark.parametrize("arguments", [["bogus"], ["micropython", "--bogus"], ["micropython", "extra"], ["--bogus"]])
def test_a_wrong_command_line_is_one_line_and_2(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (HostError("two\nlines"), "error: two lines\n"),
        (FileNotFoundError(2, "No such file or directory", "x.bin"), "error: x.bin: No such file or directory\n"),
        (OSError("odd"), "error: odd\n"),
    ],
)
def test_an_error_is_one_line_and_1(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.delenv("MULLIGAN_DEBUG", raising=False)
    monkeypatch.setattr(cli_main.cli, "main", fail)
    with pytest.raises(SystemExit) as ended:
        cli_main.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == said
    monkeypatch.setenv("MULLIGAN_DEBUG", "1")
    with pytest.raises(type(error)):
        cli_main.main()


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        done = subprocess.run([sys.executable, "-m", "mulligan_host", "--help"], stdout=pipe, stderr=subprocess.PIPE)
    assert b"Traceback" not in done.stderr
