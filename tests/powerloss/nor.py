"""Flash that notes each operation, and what each can leave behind when the power goes in the middle of it."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mulligan_host.virtual.flash import SECTOR, Nor

BLOCK = 16
"""Bytes that are encrypted together."""
Content = Mapping[int, bytes]
"""Sector number to its bytes, where they differ from the flash that a scenario begins with."""


@dataclass(frozen=True)
class Operation:
    """One program or erase: what was there before, and what it was to write; ``data`` is None for an erase."""

    before: Content
    address: int
    data: bytes | None

    @property
    def sector(self) -> int:
        return self.address // SECTOR

    def __str__(self) -> str:
        what = f"program {len(self.data)} bytes" if self.data is not None else "erase"
        return f"{what} at {self.address:#x}"


class Refused(Exception):
    """The flash says that an operation has failed: OSError(EIO) to the program."""


class Fault:
    """What is wrong with a flash. This one: nothing."""

    def reading(self, address: int, size: int) -> None:
        """Before a read. Raises: Refused."""

    def programming(self, address: int, data: bytes) -> bytes:
        """What is truly programmed for ``data``. Raises: Refused."""
        return data

    def erasing(self, address: int) -> bool:
        """Whether a sector is truly erased. Raises: Refused."""
        return True


class TracedFlash(Nor):
    """NOR flash in memory whose content is ``base`` but for the sectors in ``content``. ``operations``: done since load()."""

    def __init__(self, base: bytes) -> None:
        super().__init__(bytearray(base))
        self._base = base
        self.content: dict[int, bytes] = {}
        self.operations: list[Operation] = []
        self.fault: Fault | None = None
        self.encrypted: list[range] = []
        """Addresses that are."""

    def load(self, content: Content) -> None:
        """Have ``content`` in place of whatever was there."""
        for sector in self.content.keys() - content.keys():
            self.poke(sector * SECTOR, self._base[sector * SECTOR : (sector + 1) * SECTOR])
        for sector, data in content.items():
            if self.content.get(sector) is not data:
                self.poke(sector * SECTOR, data)
        self.content = dict(content)
        self.operations = []

    def rot(self, address: int) -> None:
        """A bit is lost, by no operation."""
        self.poke(address, bytes([self.peek(address, 1)[0] ^ 1]))
        sector = address // SECTOR
        self.content[sector] = self.peek(sector * SECTOR, SECTOR)

    def read(self, address: int, size: int) -> bytes:
        if self.fault:
            self.fault.reading(address, size)
        return super().read(address, size)

    def program(self, address: int, data: bytes) -> None:
        encrypted = any(address in part for part in self.encrypted)
        if encrypted:
            assert address % BLOCK == 0, "ESP-IDF writes an encrypted partition in whole blocks"
            assert len(data) % BLOCK == 0, "ESP-IDF writes an encrypted partition in whole blocks"
        if self.fault:
            data = self.fault.programming(address, data)
        if self.fault or encrypted:
            # A sector that was not truly erased lets no bit be set; who programs it can't know. Nor does who programs an
            # encrypted block twice, of which nobody can tell whether it is blank.
            old = self.peek(address, len(data))
            data = bytes(a & b for a, b in zip(data, old, strict=True))
        assert address // SECTOR == (address + max(1, len(data)) - 1) // SECTOR, "the device programs within one sector"
        before = dict(self.content)
        super().program(address, data)
        self._done(Operation(before, address, data))

    def erase(self, address: int, size: int = SECTOR) -> None:
        for at in range(address, address + size, SECTOR):
            if self.fault and not self.fault.erasing(at):
                continue
            before = dict(self.content)
            super().erase(at)
            self._done(Operation(before, at, None))

    def _done(self, operation: Operation) -> None:
        self.operations.append(operation)
        self.content[operation.sector] = self.peek(operation.sector * SECTOR, SECTOR)
        self.on_operation(operation)

    def on_operation(self, operation: Operation) -> None:
        """Called after each, when the flash holds what it wrote."""

    def original(self, content: Content, sector: int) -> bytes:
        """The bytes of a sector in ``content``."""
        return content.get(sector) or self._base[sector * SECTOR : (sector + 1) * SECTOR]


def cuts(flash: TracedFlash, operation: Operation, seed: int) -> Iterator[tuple[str, Content]]:
    """What the flash can hold when the power goes at ``operation``: (what it is called, content).

    Before it; a program torn after so many bytes, the rest of them left as they were (FF where erased), all zeros, or with some
    of the bits cleared that were to stay; an erase that has come so far, or has set some bits everywhere; after it.
    """
    chance = random.Random(seed)
    sector = operation.sector
    old = flash.original(operation.before, sector)

    def with_sector(new: bytes) -> Content:
        return {**operation.before, sector: new}

    yield "before", operation.before
    if operation.data is not None:
        at = operation.address % SECTOR
        data, size = operation.data, len(operation.data)
        for done in sorted({1, size // 4, size // 2, size - 1} - {0, size}) if size > 1 else [0]:
            rest = old[at + done : at + size]
            for name, filled in (
                ("FF", rest),
                ("00", bytes(len(rest))),
                ("random", bytes(a & b for a, b in zip(rest, chance.randbytes(len(rest)), strict=True))),
            ):
                yield f"torn after {done}, rest {name}", with_sector(old[:at] + data[:done] + filled + old[at + size :])
        yield "after", with_sector(old[:at] + data + old[at + size :])
        return
    for done in (1, SECTOR // 2, SECTOR - 1):
        yield f"erased {done}", with_sector(b"\xff" * done + old[done:])
    one, two, three = (int.from_bytes(chance.randbytes(SECTOR), "big") for _ in range(3))
    was = int.from_bytes(old, "big")
    for name, mask in (("an eighth", one & two & three), ("half", one), ("seven eighths", one | two | three)):
        yield f"erased {name} of the bits", with_sector((was | mask).to_bytes(SECTOR, "big"))
    weak = bytearray(b"\xff" * SECTOR)
    for _ in range(4):
        weak[chance.randrange(SECTOR)] &= ~(1 << chance.randrange(8))
    yield "erased but for 4 bits", with_sector((was | int.from_bytes(weak, "big")).to_bytes(SECTOR, "big"))
    yield "after", with_sector(b"\xff" * SECTOR)
