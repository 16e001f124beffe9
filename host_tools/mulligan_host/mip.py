"""The device package as `mpremote mip install` takes it: compiled files and a package.json, one of each for each architecture.

Source: MicroPython, docs/reference/packages.rst. Paths in package.json are relative to it.
"""

import json
from pathlib import Path

from mulligan_host import __version__
from mulligan_host.build import package

ARCHITECTURES = ("xtensawin", "rv32imc")
"""Of the chips: ESP32, S2 and S3; C3 and C6."""
_NAME = "mulligan"


def write(directory: Path, arch: str) -> Path:
    """Write the package for ``arch`` into ``directory``; return its package.json. Raises: HostError if it does not compile."""
    paths = []
    for name, content in package(arch).items():
        paths.append(f"{_NAME}/{name}")
        (directory / paths[-1]).parent.mkdir(parents=True, exist_ok=True)
        (directory / paths[-1]).write_bytes(content)
    index = directory / "package.json"
    index.write_text(json.dumps({"version": __version__, "urls": [[path, path] for path in paths], "deps": []}, indent=1))
    return index
