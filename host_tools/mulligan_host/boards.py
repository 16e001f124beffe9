"""What is known, or assumed, of each kind of board: ``boards/NAME.toml``."""

import functools
import tomllib
from dataclasses import dataclass

from mulligan_host.errors import HostError
from mulligan_host.resources import resource


@dataclass(frozen=True)
class Speed:
    cpu_mhz: int
    instructions_per_mac: int
    """Of the int8 kernels in all."""
    read_us: int
    """Per call of readblocks."""
    read_bytes_per_us: int

    def work_us(self, macs: int) -> int:
        """Return the microseconds of so many multiply-accumulates."""
        return -(-macs * self.instructions_per_mac // self.cpu_mhz)

    def reads_us(self, reads: int, size: int) -> int:
        """Return the microseconds of ``reads`` flash reads of ``size`` bytes together."""
        return reads * self.read_us + size // self.read_bytes_per_us


@dataclass(frozen=True)
class Memory:
    heap: int
    """Bytes that a program has, Wi-Fi up."""
    largest: int
    """Bytes of the largest piece in one, at start."""
    observed: bool
    """Whether that was seen on such a chip, or is assumed."""


@dataclass(frozen=True)
class Board:
    name: str
    description: str
    arch: str
    """Of its native code, as mpy-cross calls it."""
    flash: int
    """Its bytes."""
    partitions: str
    """Its layout: a file in partitions/."""
    assumption: str
    """What an estimate for it rests on."""
    speed: Speed
    memory: Memory


def names() -> list[str]:
    """Return the boards there are, by name."""
    return sorted(path.stem for path in resource("boards").glob("*.toml"))


@functools.cache
def load(name: str) -> Board:
    """Return the board called ``name``. Raises: HostError naming those there are."""
    if name not in names():
        raise HostError(f"no board is called {name}; there are {', '.join(names())}")
    doc = tomllib.loads(resource(f"boards/{name}.toml").read_text(encoding="utf-8"))
    speed, memory = Speed(**doc.pop("speed")), Memory(**doc.pop("memory"))
    return Board(name=name, speed=speed, memory=memory, **doc)
