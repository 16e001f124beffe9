"""Releases for tests: a key of the run's own, and a release directory, built and signed with `mulligan` as a user does it."""

import subprocess
import sys
from pathlib import Path

from mulligan_host import keys
from mulligan_host.hil.board import BoardFailure

_SECONDS = 600.0


class Releases:
    """One release directory under ``work``, and the key that signs it; ``board`` is what releases call the boards under test."""

    def __init__(self, work: Path, board: str) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self.board = board
        self.directory = work / "releases"
        self.key = work / "release.pem"
        """The private key; ``public`` is what a board is installed with."""
        self.public = work / "release.pub.pem"
        self._work = work
        keys.create(self.key)

    def pack(self, model: Path, name: str, version: str, golden: Path, *options: object) -> Path:
        """Return a slot image of the .tflite ``model`` with the samples ``golden`` (.npz) as golden vectors."""
        path = self._work / f"{name}-{version}.mslt"
        self._mulligan("model", "pack", model, "--name", name, "--version", version, "--golden", golden, "-o", path, *options)
        return path

    def publish(self, version: str, *artifacts: object, **options: object) -> Path:
        """Build, sign and publish release ``version`` of ``artifacts``; return the directory, to be pushed or served.

        ``options`` are those of `mulligan release build`, without the dashes at the front and with _ for those within; True for
        one that takes no value.
        """
        given: list[object] = []
        for option, value in options.items():
            given += [f"--{option.replace('_', '-')}"] if value is True else [f"--{option.replace('_', '-')}", value]
        build = ("release", "build", "--dir", self.directory, *artifacts, "--board", self.board, "--release", version)
        self._mulligan(*build, *given)
        self._mulligan("release", "sign", "--dir", self.directory, version, "--key", self.key)
        return self.directory

    def _mulligan(self, *arguments: object) -> None:
        command = [sys.executable, "-m", "mulligan_host", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_SECONDS)
        if done.returncode:
            raise BoardFailure(f"mulligan {arguments[0]} {arguments[1]}: {done.stderr.strip()}")
