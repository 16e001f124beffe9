"""SoftHSM2, a PKCS#11 token in software: the machine's own, or its distribution's package, unpacked into the cache."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from mulligan_host import debian
from mulligan_host.resources import cache_directory

_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)


def found() -> tuple[str, str]:
    """Return the paths of the PKCS#11 module and of softhsm2-util. Raises: HostError if they can't be had."""
    module, tool = next((path for path in _MODULES if Path(path).exists()), None), shutil.which("softhsm2-util")
    return (module, tool) if module and tool else unpacked()


def unpacked() -> tuple[str, str]:
    """As found(), from the package. What it needs beside is on every machine with Python: libc, OpenSSL, SQLite."""
    cache = cache_directory()
    home = cache / "softhsm2"
    with debian._locked(cache / "softhsm2.lock"):
        if not home.is_dir():
            with tempfile.TemporaryDirectory(dir=cache, prefix=".softhsm2-") as work:
                for package in debian.archives(Path(work), "softhsm2"):
                    if package.name.startswith(("softhsm2_", "libsofthsm2_")):
                        subprocess.run(["dpkg", "-x", package, Path(work) / "root"], check=True)
                (Path(work) / "root").rename(home)
    return str(next(home.glob("usr/lib/**/libsofthsm2.so"))), str(home / "usr/bin/softhsm2-util")
