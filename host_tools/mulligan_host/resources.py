"""Where the files that travel with the package are: the same names in a checkout and in an installed wheel."""

import os
from pathlib import Path

from mulligan_host.errors import HostError

_HERE = Path(__file__).resolve().parent
_CHECKOUT = _HERE.parent.parent


def resource(name: str) -> Path:
    """Return the path of ``name``, given as in the repository (``models/models.json``, ``firmware/boot.py``).

    A checkout is read in place. A wheel carries the same tree under ``mulligan_host/data``, but for the device package,
    which is installed beside ``mulligan_host`` because host code imports it.

    Raises: HostError if there is no such file or directory.
    """
    if (_CHECKOUT / "pyproject.toml").is_file() and (_CHECKOUT / "firmware" / "mulligan").is_dir():
        path = _CHECKOUT / name
    elif name == "firmware/mulligan" or name.startswith("firmware/mulligan/"):
        path = _HERE.parent / name.removeprefix("firmware/")
    else:
        path = _HERE / "data" / name
    if not path.exists():
        raise HostError(f"{name} is missing at {path}: reinstall mulligan, or complete the checkout")
    return path


def cache_directory() -> Path:
    """Return the directory for what can be fetched or built again, made if need be.

    ``$MULLIGAN_CACHE``, else ``mulligan`` under ``$XDG_CACHE_HOME`` or ``~/.cache``.
    """
    own = os.environ.get("MULLIGAN_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    path = Path(own) if own else (Path(base) if base else Path.home() / ".cache") / "mulligan"
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()
