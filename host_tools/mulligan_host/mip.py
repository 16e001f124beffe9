"""The device package as `mpremote mip install` takes it: compiled files and a package.json, one of each for each architecture.

Source: MicroPython, docs/reference/packages.rst. Paths in package.json are relative to it.
"""

import json
from pathlib import Path

from mulligan_host import __version__
from mulligan_host.build import compile_tree
from mulligan_host.resources import resource

ARCHITECTURES = ("xtensawin", "rv32imc")
"""Of the chips: ESP32, S2 and S3; C3 and C6."""
_NAME = "mulligan"


def write(directory: Path, arch: str) -> Path:
    """Write the package for ``arch`` into ``directory``; return its package.json. Raises: HostError if it does not compile."""
    compile_tree(resource("firmware/mulligan"), directory / _NAME, arch, prefix=_NAME)
    paths = sorted(path.relative_to(directory).as_posix() for path in (directory / _NAME).rglob("*.mpy"))
    index = directory / "package.json"
    index.write_text(json.dumps({"version": __version__, "urls": [[path, path] for path in paths], "deps": []}, indent=1))
    return index
