"""What is known, or assumed, of each kind of board: ``boards/NAME.toml``. A new board is a new file.

A file holds the fields of `Board`, with those of `Port`, `Speed` and `Memory` under these headings. ``like = "NAME"`` takes what
it leaves out from another board.
"""

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mulligan_host.errors import HostError
from mulligan_host.resources import resource

RESETS = {
    "classic": "DTR and RTS through two transistors to GPIO0 and EN, as on most boards with a USB serial chip",
    "usb-jtag": "the chip's own USB Serial/JTAG",
    "on-open": "RTS straight to EN: opening the port resets the board",
    "none": "no line reaches the chip: into download mode by hand, out of it by MicroPython itself",
}


@dataclass(frozen=True)
class Port:
    bootloader: int
    """Where the chip looks for it in flash."""
    reset: str
    """How the port resets it: one of RESETS."""
    baud: int
    """For flashing; MicroPython itself talks at 115200."""


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
    chip: str
    """As esptool calls it."""
    arch: str
    """Of its native code, as mpy-cross calls it."""
    flash: int
    """Its bytes."""
    partitions: tuple[str, ...]
    """Its layouts, files in partitions/: the first that a firmware fits is taken."""
    assumption: str
    """What an estimate for it rests on."""
    port: Port
    speed: Speed
    memory: Memory


def names() -> list[str]:
    """Return the boards there are, by name."""
    return sorted(path.stem for path in resource("boards").glob("*.toml"))


@functools.cache
def load(name: str) -> Board:
    """Return the board called ``name``, or that of the file ``name`` if it ends in .toml.

    Raises: HostError naming those there are, or what is wrong with the file.
    """
    doc = _read(name)
    try:
        port, speed, memory = Port(**doc.pop("port")), Speed(**doc.pop("speed")), Memory(**doc.pop("memory"))
        layouts = doc.pop("partitions")
        layouts = (layouts,) if isinstance(layouts, str) else tuple(layouts)
        board = Board(name=Path(name).stem, partitions=layouts, port=port, speed=speed, memory=memory, **doc)
    except (KeyError, TypeError) as e:
        raise HostError(f'{name}: not a board: {e}; start it with like = "esp32"') from None
    if port.reset not in RESETS:
        raise HostError(f"{name}: reset {port.reset!r}: use {', '.join(RESETS)}")
    return board


def _read(name: str) -> dict[str, Any]:
    """The fields in the file, over those of the board that it is like."""
    path = Path(name)
    if path.suffix != ".toml":
        if name not in names():
            raise HostError(f"no board is called {name}; there are {', '.join(names())}")
        path = resource(f"boards/{name}.toml")
    try:
        doc = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise HostError(f"{path}: not TOML: {e}") from None
    like = doc.pop("like", None)
    if like is None:
        return doc
    merged = _read(str(like))
    for key, value in doc.items():
        merged[key] = merged.get(key, {}) | value if isinstance(value, dict) else value
    return merged
