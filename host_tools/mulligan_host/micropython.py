"""Find a real MicroPython unix port to run device code on.

In this order: ``$MICROPYTHON``; ``micropython`` on PATH; the distribution's package, unpacked into the cache (``debian.py``).
Beside a 64-bit port the 32-bit one of the same package is wanted too: its words are those of the ESP32.
"""

import functools
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mulligan_host import debian
from mulligan_host.errors import HostError

OLDEST = (1, 23)
"""1.22 has neither ``vfs`` nor ``tls``, and another .mpy format."""

# Index: bits 10 and up of sys.implementation._mpy (MicroPython py/persistentcode.h, MP_NATIVE_ARCH_*). Names: mpy-cross -march.
_ARCHITECTURES = (
    None,
    "x86",
    "x64",
    "armv6",
    "armv6m",
    "armv7m",
    "armv7em",
    "armv7emsp",
    "armv7emdp",
    "xtensa",
    "xtensawin",
    "rv32imc",
)
ARCHITECTURES = [name for name in _ARCHITECTURES if name]

_PROBE = """
import sys
try:
    exec("import micropython\\n@micropython.viper\\ndef f(x: int) -> int:\\n    return x + 1\\nassert f(1) == 2")
    native = 1
except Exception:
    native = 0
i = sys.implementation
print(i.name, i.version[0], i.version[1], i.version[2], 64 if sys.maxsize > 1 << 31 else 32, getattr(i, "_mpy", 0), native)
"""


def architecture(mpy: int) -> str | None:
    """What mpy-cross calls the native architecture in ``sys.implementation._mpy``; None where it has no name for it."""
    index = mpy >> 10 & 0x0F
    return _ARCHITECTURES[index] if index < len(_ARCHITECTURES) else None


@dataclass(frozen=True)
class MicroPython:
    """One interpreter that was run and answered."""

    argv: tuple[str, ...]
    """How to start it; more than one word where it is started through its own loader."""
    version: tuple[int, int, int]
    bits: int
    """Of a machine word: 64 or 32."""
    mpy: int
    """``sys.implementation._mpy``: the .mpy format and native architecture that it loads."""
    has_native: bool
    """Whether it has a native code emitter: a viper function was compiled and run."""

    @property
    def label(self) -> str:
        return f"unix{self.bits}"

    @property
    def arch(self) -> str | None:
        """What mpy-cross calls its native architecture; None where it runs bytecode only."""
        return architecture(self.mpy) if self.has_native else None

    def command(self, *arguments: str | Path, heap: str | None = None) -> list[str]:
        """Return the words that run it with ``arguments``; ``heap`` as in ``128k`` or ``4M``."""
        options = ["-X", f"heapsize={heap}"] if heap else []
        return [*self.argv, *options, *map(str, arguments)]

    def __str__(self) -> str:
        return f"MicroPython {'.'.join(map(str, self.version))}, {self.bits}-bit: {shlex.join(self.argv)}"


@functools.cache
def probe(argv: tuple[str, ...]) -> MicroPython:
    """Run the interpreter and ask what it is.

    Raises: HostError if it does not run, or is not MicroPython.
    """
    try:
        done = subprocess.run([*argv, "-c", _PROBE], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise HostError(f"{shlex.join(argv)} does not run: {e}") from e
    words = done.stdout.split()
    if done.returncode or len(words) != 7 or words[0] != "micropython":
        said = (done.stderr or done.stdout).strip().splitlines()
        raise HostError(f"{shlex.join(argv)} is not a MicroPython that runs here: {said[-1] if said else 'no answer'}")
    major, minor, patch, bits, mpy, native = map(int, words[1:])
    return MicroPython(argv, (major, minor, patch), bits, mpy, bool(native))


def resolve() -> list[MicroPython]:
    """Return the ports to use: the first one found, then the 32-bit one if the first is 64-bit and it can be had.

    What is passed over, and why, is said on stderr, once per process.

    Raises: HostError if there is none, with the ways to get one.
    """
    return list(_resolution().ports)


def missing_reason(bits: int) -> str:
    """Say in one line why ``resolve()`` has no port of ``bits``."""
    return _resolution().missing.get(bits, f"the MicroPython that was found is not {bits}-bit")


class _Resolution(NamedTuple):
    ports: tuple[MicroPython, ...]
    missing: dict[int, str]


@functools.cache
def _resolution() -> _Resolution:
    first = _named() or _on_path() or _packaged_first()
    if first.bits == 32:
        return _Resolution((first,), {})
    try:
        return _Resolution((first, _packaged(debian.sibling_architecture())), {})
    except HostError as e:
        reason = f"no 32-bit MicroPython: {e}"
        _say(reason)
        return _Resolution((first,), {32: reason})


def _named() -> MicroPython | None:
    value = os.environ.get("MICROPYTHON")
    if not value:
        return None
    # A path may hold spaces; a command line (a loader and its program) is several words.
    found = probe((value,) if shutil.which(value) else tuple(shlex.split(value)))
    if found.version[:2] < OLDEST:
        raise HostError(f"$MICROPYTHON is {found}: Mulligan needs {_dotted(OLDEST)} or newer")
    return found


def _on_path() -> MicroPython | None:
    path = shutil.which("micropython")
    if path is None:
        return None
    try:
        found = probe((path,))
    except HostError as e:
        _say(f"passed over: {e}")
        return None
    if found.version[:2] < OLDEST:
        _say(f"passed over: {found} is older than {_dotted(OLDEST)}")
        return None
    return found


def _packaged_first() -> MicroPython:
    try:
        return _packaged(debian.native_architecture())
    except HostError as e:
        raise HostError(
            f"no MicroPython {_dotted(OLDEST)} or newer ({e}). Get one with 'apt install micropython' (Debian 13 or newer), "
            "'brew install micropython' (macOS), or build the unix port, and name it in $MICROPYTHON"
        ) from e


def _packaged(architecture: str) -> MicroPython:
    """Return the packaged port for a Debian ``architecture`` from the cache, fetched first if need be."""
    return probe(debian.unpacked(architecture, _accept))


def _accept(argv: tuple[str, ...]) -> None:
    found = probe(argv)
    if found.version[:2] < OLDEST:
        raise HostError(f"{found} is older than {_dotted(OLDEST)}")


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _say(line: str) -> None:
    print(f"mulligan: {line}", file=sys.stderr)
