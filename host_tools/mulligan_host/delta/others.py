"""Patches by other tools, for comparison: what of them is installed, each at its best."""

import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import bsdiff4

from mulligan_host.errors import HostError

Size = Callable[[bytes, bytes], int]
"""(old, new) to the bytes of a patch."""

_PYTHON = ("detools", "hdiffpatch")
_COMMANDS = {
    "xdelta3": ("xdelta3", "-e", "-9", "-S", "lzma", "-f", "-s", "old", "new", "patch"),
    "zstd --patch-from": ("zstd", "--ultra", "-22", "-q", "-f", "--patch-from=old", "new", "-o", "patch"),
}


def installed() -> tuple[dict[str, Size], list[str]]:
    """Return the tools that are here, and the names of those that are not."""
    found: dict[str, Size] = {"bsdiff4": lambda old, new: len(bsdiff4.diff(old, new))}
    missing = [name for name in _PYTHON if not find_spec(name)]
    if "detools" not in missing:
        found.update({f"detools {way}": _detools(way) for way in ("crle", "heatshrink", "lzma")})
    if "hdiffpatch" not in missing:
        found["HDiffPatch lzma2"] = _hdiffpatch
    for name, command in _COMMANDS.items():
        if shutil.which(command[0]):
            found[name] = _command(command)
        else:
            missing.append(command[0])
    return found, missing


def _detools(compression: str) -> Size:
    def size(old: bytes, new: bytes) -> int:
        out = io.BytesIO()
        import_module("detools").create_patch(io.BytesIO(old), io.BytesIO(new), out, compression=compression)
        return len(out.getvalue())

    return size


def _hdiffpatch(old: bytes, new: bytes) -> int:
    tool = import_module("hdiffpatch")
    return len(tool.diff(old, new, tool.COMPRESSION_LZMA2))


def _command(command: tuple[str, ...]) -> Size:
    def size(old: bytes, new: bytes) -> int:
        with tempfile.TemporaryDirectory(prefix="mulligan-bench-") as work:
            path = Path(work)
            (path / "old").write_bytes(old)
            (path / "new").write_bytes(new)
            done = subprocess.run(command, cwd=path, capture_output=True, text=True)
            if done.returncode:
                raise HostError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
            return (path / "patch").stat().st_size

    return size
