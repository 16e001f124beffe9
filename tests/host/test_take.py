"""A release that an app takes by whatever way it has."""

from pathlib import Path

from host import planes
from host import rig as rigs
from host.planes import HEALTH
from host.rig import BOARD
from mulligan_host import ceremony, keys, provision, release
from mulligan_host.micropython import MicroPython
from mulligan_host.virtual.board import VirtualBoard

CABLE = """
import os, mulligan


class Body:
    tag = ""

    def __init__(self, file, size):
        self.size = size
        self.read = file.read
        self.readinto = file.readinto
        self.close = file.close

    def skip(self, buf):
        return False


class Files:
    def get(self, url, start, limit, tag=""):
        from mulligan.core.errors import NotFound
        try:
            size = os.stat("/pushed/" + url)[6]
        except OSError:
            raise NotFound(url)
        file = open("/pushed/" + url, "rb")
        file.seek(start)
        return Body(file, size - start)


def before():
    mulligan.take(Files())


def within():
    pass
"""


def test_a_release_by_cable(tmp_path: Path, micropython32: MicroPython) -> None:
    """A board without a network takes a release from whatever has get(): here, files that lie in vfs."""
    signer, directory = keys.create(tmp_path / "key.pem"), release.Directory(tmp_path / "releases")
    directory.build(release.Order([planes.config("1.1.0", level=2)], [BOARD], HEALTH, "2.0.0"))
    directory.sign("2.0.0", signer)
    found = {path.relative_to(directory.path).as_posix(): path for path in directory.path.rglob("*") if path.is_file()}
    setup = provision.Setup(
        BOARD,
        ceremony.first([keys.Signer.generate()], [signer.public]),
        rigs.image("1.0.0"),
        files={f"pushed/{name}": path.read_bytes() for name, path in found.items()},
        parts=[planes.app(tmp_path, "1.0.0", CABLE), planes.config("1.0.0", level=1)],
    )
    provision.virtual_flash(tmp_path / "flash.bin", setup, micropython32)
    with VirtualBoard(tmp_path / "flash.bin", [micropython32]) as board:
        board.power_on()
        board.wait("^app: version=1.0.0 model=1.0.0 config=1$")
        board.wait("^mulligan: confirmed .*name=config version=1.1.0$")
        board.wait("^app: version=1.0.0 model=1.0.0 config=2$")
