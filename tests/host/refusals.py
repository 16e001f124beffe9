"""What tests of bad input share: how a refusal looks, and that it leaves nothing behind."""

import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

Run = Callable[..., str]
"""Runs a command that must fail as it should, with exit code 1 or ``code``; returns its one line."""

TO_DO = re.compile(
    r"\b(give|choose|check|download|build|unpack|release it|pack it|take|plug|close|join|start|flash|press|reset the|"
    r"remove|install|copy|wait|go on)\b"
)
"""One of these is in an error that says what to do."""


def assert_error(code: object, err: str, expected: int = 1) -> None:
    assert code == expected, err
    assert re.fullmatch(r"error: [^\n]+\n", err), err
    assert "Traceback" not in err
    assert len(err) < 400, err


def tree(root: Path) -> dict[str, str]:
    """Every file under ``root`` with its digest, every directory."""
    return {str(p.relative_to(root)): sha256(p.read_bytes()).hexdigest() if p.is_file() else "" for p in root.rglob("*")}
