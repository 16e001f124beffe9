"""Passphrases and PINs: out of the environment, or typed without echo. Never out of the command line."""

import os
import sys

import rich_click as click

from mulligan_host.errors import HostError


def ask(variable: str, what: str, *, twice: bool = False) -> str:
    """Return the secret ``what``: that of the environment's ``variable``, or as typed, ``twice`` if it is a new one.

    Raises: HostError where neither is there to be had, or it is empty.
    """
    secret = os.environ.get(variable, "")
    if not secret and sys.stdin.isatty():
        secret = click.prompt(what, hide_input=True, confirmation_prompt=twice, err=True, default="", show_default=False)
    if not secret:
        raise HostError(f"{what} is needed: set ${variable}, or run this in a terminal")
    return secret
