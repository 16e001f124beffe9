"""Files that are whole or not there: written beside their name, then renamed."""

import os
import tempfile
from pathlib import Path

from mulligan_host.errors import HostError


def write(path: Path, data: bytes, *, mode: int = 0o644, replace: bool = True) -> None:
    """Write ``data`` to ``path`` so that a full disk or a kill leaves the old file, or none, never half of the new one.

    Raises: HostError if ``path`` is there and ``replace`` is false, or its directory is missing; OSError naming ``path``.
    """
    if not replace and path.exists():
        raise HostError(f"{path}: is there already; move it away first")
    if not path.parent.is_dir():
        raise HostError(f"{path}: there is no directory {path.parent}; make it first")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as f:
                f.write(data)
                f.flush()
                os.fsync(f.fileno())
            Path(name).chmod(mode)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as e:
        e.filename = str(path)
        raise


def read(path: Path, limit: int = 1 << 26) -> bytes:
    """Return what ``path`` holds. Raises: HostError over ``limit`` bytes; OSError."""
    if path.is_file() and path.stat().st_size > limit:
        raise HostError(f"{path}: {path.stat().st_size} bytes, at most {limit} make sense here: is it the right file?")
    return path.read_bytes()
