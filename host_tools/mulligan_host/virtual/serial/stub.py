"""The flasher stub that esptool loads into RAM: the ROM's commands, faster ones, and its own error codes.

Source: as for ``rom.py``; the codes are those of the list of status bytes of the stub loader there. The stub's machine code is
not run: the chip takes every program that is loaded into RAM for it.
"""

from collections.abc import Callable, Iterator
from typing import ClassVar

from mulligan_host.virtual.flash import SECTOR, NorFlash
from mulligan_host.virtual.serial.registers import Profile, Registers
from mulligan_host.virtual.serial.rom import SYNC_REPLIES, Answer, Loader, Op, Refused, Then, Wrong, words

GREETING = b"OHAI"
_NOT_IMPLEMENTED = 0xFF


class Stub(Loader):
    """The stub, from its greeting to the next reset."""

    STATUS = 2
    CODES: ClassVar = {
        Wrong.MESSAGE: 0xC0, Wrong.ACTION: 0xC4, Wrong.CHECKSUM: 0xC1, Wrong.INFLATE: 0xC7,
        Wrong.NO_BEGIN: 0xC6, Wrong.TOO_MUCH: 0xC9, Wrong.FLASH: 0xC4,
    }  # fmt: skip
    ERASES_FIRST = False  # it erases what it is about to write

    def __init__(
        self, profile: Profile, flash: NorFlash, registers: Registers, baud: Callable[[], int], set_baud: Callable[[int], None]
    ) -> None:
        super().__init__(profile, flash, registers, baud, set_baud)
        del self._services[Op.READ_FLASH_SLOW]
        self._services |= {
            Op.ERASE_FLASH: lambda data: self._erase(0, self.flash.size),
            Op.ERASE_REGION: lambda data: self._erase(*words(data, 2)),
            Op.READ_FLASH: self._read,
            Op.RUN_USER_CODE: self._run,
        }
        self._reading: _Reading | None = None

    def frame(self, frame: bytes) -> Iterator[bytes]:
        """As the ROM's; while a read runs, a frame of one word says how much has arrived."""
        if self._reading is not None:
            if len(frame) == 4:
                yield from self._reading.go_on(*words(frame, 1))
                if self._reading.done:
                    self._reading = None
                return
            self._reading = None  # whoever asked for it has begun anew
        yield from super().frame(frame)

    def sync(self) -> Iterator[bytes]:
        """Answer SYNC with the value that tells the stub from the ROM."""
        for _ in range(SYNC_REPLIES):
            yield self.reply(Op.SYNC, 0, b"")

    def unknown(self, op: int) -> Iterator[bytes]:
        """Refuse a command that the stub does not have."""
        yield self.reply(op, 0, b"")[: -self.STATUS] + bytes((_NOT_IMPLEMENTED, 0))

    def reply(self, op: int, value: int, data: bytes, wrong: Wrong | None = None) -> bytes:
        """As the ROM's, but the first byte of the status is the reason itself."""
        good = super().reply(op, value, data)
        return good if wrong is None else good[:-2] + bytes((self.CODES[wrong], 0))

    def after(self, op: Op, data: bytes) -> Iterator[bytes]:
        """Begin to send what READ_FLASH asked for."""
        if self._reading is not None and op == Op.READ_FLASH:
            yield from self._reading.go_on(0)

    def _end(self, data: bytes) -> Answer:
        self._writing = None
        self.then = Then.STAY if words(data, 1)[0] else Then.RESET
        return 0, b""

    def _md5(self, data: bytes) -> Answer:
        return 0, self.digest(*words(data, 4)[:2])

    def _erase(self, offset: int, size: int) -> Answer:
        self._bounds(offset, size)
        if offset % SECTOR or size % SECTOR:
            raise Refused(Wrong.FLASH)
        self.flash.erase(offset, size)
        return 0, b""

    def _read(self, data: bytes) -> Answer:
        offset, size, block, in_flight = words(data, 4)
        self._bounds(offset, size)
        if not block or not in_flight:
            raise Refused(Wrong.MESSAGE)
        self._reading = _Reading(self, offset, size, block, in_flight)
        return 0, b""

    def _run(self, data: bytes) -> Answer:
        self.then = Then.RUN
        return 0, b""


class _Reading:
    """A fast read: blocks are sent ahead of what is acknowledged by at most ``in_flight``, and the MD5 of all at the end."""

    def __init__(self, stub: Stub, offset: int, size: int, block: int, in_flight: int) -> None:
        self._stub = stub
        self._offset = offset
        self._size = size
        self._block = block
        self._in_flight = in_flight
        self._sent = 0
        self.done = False

    def go_on(self, acknowledged: int) -> Iterator[bytes]:
        """Give the blocks that may be sent now."""
        while self._sent < min(self._size, acknowledged + self._block * self._in_flight):
            size = min(self._block, self._size - self._sent)
            yield self._stub.flash.read(self._offset + self._sent, size)
            self._sent += size
        if acknowledged >= self._size:
            yield self._stub.digest(self._offset, self._size)
            self.done = True
