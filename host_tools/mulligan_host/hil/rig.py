"""Which boards a test run may use: from the command line, from ``rig.toml``; each by one process at a time."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mulligan_host.errors import HostError

VIRTUAL, QEMU = "virtual", "qemu"
_POLL_SECONDS = 0.2
_NAMELESS = ("name", "port")


@dataclass(frozen=True)
class Spec:
    """One board of a rig."""

    name: str
    port: str
    """A device, a URL of pyserial's, VIRTUAL or QEMU."""
    kind: str = "esp32"
    """As in boards/*.toml."""
    firmware: str = ""
    """The combined .bin of MicroPython that it is flashed with; a virtual board has its own."""
    layout: str = ""
    """In place of its kind's."""
    power_on: str = ""
    """A command that switches its supply on."""
    power_off: str = ""
    watchdog: float = 1.0
    """A virtual board's watchdog waits so many times as long as it says."""

    @property
    def switched(self) -> bool:
        """Whether its supply can be switched."""
        return self.port == VIRTUAL or bool(self.power_on and self.power_off)


def read(path: Path) -> list[Spec]:
    """Return the boards of a rig file: tables ``[[board]]`` with the fields of Spec. Raises: HostError, OSError."""
    try:
        doc = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as e:
        raise HostError(f"{path}: {e}") from None
    boards = doc.get("board", [])
    if not isinstance(boards, list) or not boards or doc.keys() != {"board"}:
        raise HostError(f"{path}: a rig file has one table [[board]] for each board, and nothing else")
    specs = [_spec(path, i, board) for i, board in enumerate(boards, 1)]
    names = [spec.name for spec in specs]
    if len(set(names)) < len(names):
        raise HostError(f"{path}: two boards have the same name")
    return specs


def _spec(path: Path, number: int, board: Mapping[str, Any]) -> Spec:
    where = f"{path}: board {number}"
    known = {field.name: field.type for field in fields(Spec)}
    for name, value in board.items():
        if name not in known:
            raise HostError(f"{where}: there is no {name}; a board has {', '.join(known)}")
        if not isinstance(value, (int, float) if known[name] is float else str):
            raise HostError(f"{where}: {name} is a {'number' if known[name] is float else 'string'}")
    for name in _NAMELESS:
        if not board.get(name):
            raise HostError(f"{where}: it needs a {name}")
    return Spec(**board)


def choose(wanted: Sequence[str], rig: Path) -> list[Spec]:
    """Return the boards of a run: those of ``wanted`` (VIRTUAL, QEMU, a port, a name in the rig file), or all of the rig file.

    Raises: HostError.
    """
    known = {spec.name: spec for spec in read(rig)} if rig.exists() else {}
    if not wanted:
        return list(known.values()) or [Spec(VIRTUAL, VIRTUAL, VIRTUAL)]
    found = []
    for i, word in enumerate(wanted):
        if word in known:
            found.append(known[word])
        elif word == VIRTUAL:
            found.append(Spec(VIRTUAL if not i else f"{VIRTUAL}-{i + 1}", VIRTUAL, VIRTUAL))
        elif word == QEMU:
            found.append(Spec(QEMU, QEMU))
        elif "://" in word or word.startswith(os.sep) or word.upper().startswith("COM"):
            found.append(Spec(word.rpartition("/")[2], word))
        else:
            there = f"{rig} has {', '.join(known)}" if known else f"there is no {rig}"
            raise HostError(f"--board {word}: not virtual, qemu, a port such as /dev/ttyUSB0, nor a board of the rig ({there})")
    return found


@contextmanager
def locked(specs: Sequence[Spec], count: int, timeout: float) -> Iterator[list[Spec]]:
    """Hold ``count`` of ``specs``, the first that are free, against every other process that runs tests here.

    Virtual boards are always free: each process has its own. Raises: HostError if they are not free within ``timeout`` seconds.
    """
    if count > len(specs):
        raise HostError(f"this test needs {count} boards, the run has {len(specs)}: give --board more often, or a larger rig")
    deadline = time.monotonic() + timeout
    while True:
        held: list[tuple[Spec, Callable[[], None]]] = []
        for spec in specs:
            release = _lock(spec)
            if release is not None:
                held.append((spec, release))
            if len(held) == count:
                break
        try:
            if len(held) == count:
                yield [spec for spec, _ in held]
                return
        finally:
            for _, release in held:
                release()
        if time.monotonic() > deadline:
            busy = ", ".join(spec.name for spec in specs)
            raise HostError(f"{busy}: in use by another run for {timeout:g} s; wait for it, or raise --board-timeout")
        time.sleep(_POLL_SECONDS)


def _lock(spec: Spec) -> Callable[[], None] | None:
    if spec.port in (VIRTUAL, QEMU):
        return lambda: None
    name = hashlib.sha256(spec.port.encode()).hexdigest()[:16]
    file = (Path(tempfile.gettempdir()) / f"mulligan-port-{name}.lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file.close


def example(directory: Path) -> list[Path]:
    """Write an example test and rig file into ``directory``; return them. Raises: HostError if one is there already."""
    source = Path(__file__).parent / "example"
    made = []
    for path in sorted(source.iterdir()):
        if path.suffix not in (".py", ".toml"):
            continue
        target = directory / path.name
        if target.exists():
            raise HostError(f"{target}: is there already; remove it, or choose another directory")
        made.append(target)
    for target in made:
        with suppress(FileExistsError):
            target.parent.mkdir(parents=True)
        shutil.copyfile(source / target.name, target)
    return made
