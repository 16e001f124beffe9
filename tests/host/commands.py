"""The command ``mulligan``, run in this process: the same as at a prompt, without the start of another Python."""

import io
import subprocess
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout

import pytest

from mulligan_host.cli import main as cli_main


def mulligan(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run it with these arguments, and what of the environment is given otherwise; nobody types anything."""
    out, err = io.StringIO(), io.StringIO()
    code: object = None
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["mulligan", *arguments])
        patch.setattr(sys, "stdin", io.StringIO())
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            cli_main.main()
        except SystemExit as e:
            code = e.code
        except Exception:  # $MULLIGAN_DEBUG
            traceback.print_exc()
            code = 1
    return subprocess.CompletedProcess(arguments, code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())
