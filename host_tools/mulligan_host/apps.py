"""Artifacts of the app plane: a directory of Python code, compiled, as a read-only littlefs image."""

import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mulligan.core import schema, semver, strictjson
from mulligan.core.errors import FormatError
from mulligan_host import build, files
from mulligan_host.errors import HostError
from mulligan_host.filesystem import contents, smallest

FACTS = "mulligan.app.json"
"""In the root of the image: its version, and what its .mpy files were compiled for."""
SCHEMA = "config.schema.json"
"""In the root of the image, if the app has one: what a config must look like. The device knows it by this name too."""
_PACKAGE = "mulligan"
_LEFT_OUT = {"__pycache__", ".git"}


@dataclass(frozen=True)
class App:
    """What an image holds."""

    version: str
    mpy: int
    files: dict[str, bytes]

    @property
    def carries(self) -> bool:
        """Whether the device package is in it."""
        return f"{_PACKAGE}/__init__.mpy" in self.files

    def check(self, config: object) -> None:
        """Raises: FormatError, naming what in ``config`` does not fit the schema of the app."""
        if SCHEMA in self.files:
            schema.check(strictjson.loads(self.files[SCHEMA]), config, "config")


def pack(directory: Path, version: str, arch: str | None = None, package: bool = False) -> bytes:
    """Return the image of the files in ``directory``, each .py but main.py and boot.py as .mpy.

    arch: of mpy-cross, for modules with native code; None compiles bytecode only. package: with the device package in it, for
    boards whose app slots carry that.
    Raises: FormatError, HostError, NoSlot, OSError.
    """
    semver.parse(version)
    if not directory.is_dir():
        raise HostError(f"{directory}: no such directory")
    found = {path: path.relative_to(directory).as_posix() for path in sorted(directory.rglob("*")) if path.is_file()}
    found = {path: name for path, name in found.items() if not _LEFT_OUT & set(path.parts)}
    if "main.py" not in found.values():
        raise HostError(f"{directory}: no main.py, which the device runs after boot.py")
    taken = {name: files.read(path) for path, name in found.items() if path.suffix != ".py"}
    with tempfile.TemporaryDirectory(prefix="mulligan-app-") as work:
        build.compile_tree(directory, Path(work) / "app", arch)
        taken.update(_tree(Path(work) / "app"))
    if package:
        taken.update({f"{_PACKAGE}/{name}": content for name, content in build.package(arch).items()})
    facts = {"mpy": mpy_of(data for name, data in taken.items() if name.endswith(".mpy")), "version": version}
    taken[FACTS] = json.dumps(facts, separators=(",", ":")).encode()
    if SCHEMA in taken:
        try:
            schema.check(strictjson.loads(taken[SCHEMA]), {}, "config")
        except FormatError as e:
            if str(e).startswith(("schema", "JSON")):
                raise FormatError(f"{directory / SCHEMA}: {e}") from None
    return smallest(taken)


def unpack(image: bytes) -> App:
    """Return what an image holds. Raises: FormatError."""
    found = contents(image)
    if FACTS not in found:
        raise FormatError(f"not an app image: no {FACTS} in it; make it with mulligan app pack")
    facts = strictjson.loads(found[FACTS])
    if not isinstance(facts, dict) or not isinstance(facts.get("version"), str) or not isinstance(facts.get("mpy"), int):
        raise FormatError(f"{FACTS}: needs version and mpy")
    semver.parse(facts["version"])
    return App(facts["version"], facts["mpy"], found)


def mpy_of(modules: Iterable[bytes]) -> int:
    """Return what ``modules`` (.mpy) need of a firmware, as ``sys.implementation._mpy``; 0 where there are none.

    Source: MicroPython, py/persistentcode.h: 'M', version, then sub-version and architecture of native code, if any is in it.
    Raises: FormatError where no firmware could run them all.
    """
    needed = {data[1] | (data[2] << 8 if data[2] >> 2 else 0) for data in modules if data[:1] == b"M" and len(data) > 2}
    versions, native = {mpy & 0xFF for mpy in needed}, {mpy for mpy in needed if mpy >> 8}
    if len(versions) > 1 or len(native) > 1:
        raise FormatError("the .mpy files are of different versions or architectures")
    return max(needed, default=0)


def _tree(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
