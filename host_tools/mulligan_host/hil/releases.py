"""Releases for tests: a key of the run's own, and a release directory, built and signed with `mulligan` as a user does it."""

from pathlib import Path

from mulligan_host import keys
from mulligan_host.cli.main import cli


class Releases:
    """One release directory under ``work``; ``board`` is what releases call the boards under test.

    ``key`` is the private key that signs; without one there is a new one. What goes wrong raises what the command would say.
    """

    def __init__(self, work: Path, board: str, key: Path | None = None) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self.board = board
        self.directory = work / "releases"
        self.key = key or work / "release.pem"
        self.public = self.key.with_suffix(".pub.pem")
        """The public key, which a board is installed with."""
        self._work = work
        if key is None:
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
        cli.main([str(argument) for argument in arguments], prog_name="mulligan", standalone_mode=False)
