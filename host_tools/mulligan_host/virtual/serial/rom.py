"""Download mode: the loader in the chip's ROM, whose commands esptool sends in SLIP frames.

Source: Espressif, "Serial Protocol" (docs.espressif.com/projects/esptool), and esptool 5, loader.py. A command is
``00 | op | u16 size | u32 checksum | size bytes``; its reply is ``01 | op | u16 size | u32 value | data | status``, where the
last bytes of ``size`` are the status: error flag and reason, and two more that say nothing.

The stub (``stub.py``) is the same loader with more commands, other reasons and a shorter status.
"""

import enum
import struct
import zlib
from collections.abc import Callable, Iterator
from hashlib import md5
from typing import ClassVar

from mulligan.core.errors import FlashError
from mulligan_host.virtual.flash import SECTOR, NorFlash
from mulligan_host.virtual.serial.registers import Profile, Registers

_HEADER = struct.Struct("<BBHI")
_CHECKSUM_SEED = 0xEF
_SYNC = b"\x07\x07\x12\x20" + b"\x55" * 32
_SYNC_VALUE = 0x20120707  # any but 0, which is the stub's
SYNC_REPLIES = _INVALID_REPLIES = 8
_SLOW_READ = 64
_RAM_MAX = 0x80000


class Op(enum.IntEnum):
    FLASH_BEGIN = 0x02
    FLASH_DATA = 0x03
    FLASH_END = 0x04
    MEM_BEGIN = 0x05
    MEM_END = 0x06
    MEM_DATA = 0x07
    SYNC = 0x08
    WRITE_REG = 0x09
    READ_REG = 0x0A
    SPI_SET_PARAMS = 0x0B
    SPI_ATTACH = 0x0D
    READ_FLASH_SLOW = 0x0E
    CHANGE_BAUDRATE = 0x0F
    FLASH_DEFL_BEGIN = 0x10
    FLASH_DEFL_DATA = 0x11
    FLASH_DEFL_END = 0x12
    SPI_FLASH_MD5 = 0x13
    GET_SECURITY_INFO = 0x14
    ERASE_FLASH = 0xD0
    ERASE_REGION = 0xD1
    READ_FLASH = 0xD2
    RUN_USER_CODE = 0xD3


class Wrong(enum.Enum):
    """Why a command is refused; each loader has its own number for it."""

    MESSAGE = enum.auto()
    ACTION = enum.auto()
    CHECKSUM = enum.auto()
    INFLATE = enum.auto()
    NO_BEGIN = enum.auto()
    TOO_MUCH = enum.auto()
    FLASH = enum.auto()


class Refused(Exception):
    """A command that the loader does not carry out."""

    def __init__(self, why: Wrong) -> None:
        super().__init__(why)
        self.why = why


class Then(enum.Enum):
    """What the chip does when the replies are out."""

    STAY = enum.auto()
    RUN = enum.auto()
    """Leaves download mode, and runs what is in the flash."""
    STUB = enum.auto()
    """Runs what was loaded into RAM, which is taken for the flasher stub."""
    CRASH = enum.auto()
    """Jumps to where nothing was loaded."""
    RESET = enum.auto()
    """Resets by software: the straps are not looked at again, so download mode comes back."""


Answer = tuple[int, bytes]


class _Writing:
    """A write to the flash that FLASH_BEGIN announced."""

    def __init__(self, flash: NorFlash, address: int, size: int, block: int, *, compressed: bool) -> None:
        self._flash = flash
        self.address = address
        self.end = address + size
        self._block = block
        self._inflate = zlib.decompressobj() if compressed else None
        self._written = address  # how far the decompressed stream has got
        self._erased = address
        self._sequence = -1

    def erase(self, end: int) -> None:
        """Erase the sectors up to ``end`` that are not erased yet."""
        while self._erased < end:
            start = self._erased - self._erased % SECTOR
            self._flash.erase(start)
            self._erased = start + SECTOR

    def put(self, sequence: int, data: bytes) -> None:
        """Write one block; a block that comes again, because its reply got lost, does no harm."""
        if self._inflate is None:
            self._program(self.address + sequence * self._block, data)
        elif sequence != self._sequence:
            try:
                plain = self._inflate.decompress(data)
            except zlib.error:
                raise Refused(Wrong.INFLATE) from None
            self._program(self._written, plain)
            self._written += len(plain)
        self._sequence = sequence

    def _program(self, at: int, data: bytes) -> None:
        room = max(0, self.end - at)
        if data[room:].strip(b"\xff"):
            raise Refused(Wrong.TOO_MUCH)  # the padding of a last block is no data
        data = data[:room]
        self.erase(at + len(data))
        # NOR only clears bits: over what is not erased, the chip ends up with both.
        old = self._flash.peek(at, len(data))
        both = int.from_bytes(data, "little") & int.from_bytes(old, "little")
        self._flash.program(at, both.to_bytes(len(data), "little"))


class Loader:
    """The ROM's loader, from a reset into download mode to the next. ``baud`` reads the line's rate, ``set_baud`` sets it."""

    STATUS = 4
    CODES: ClassVar = {
        Wrong.MESSAGE: 0x05, Wrong.ACTION: 0x06, Wrong.CHECKSUM: 0x07, Wrong.INFLATE: 0x0B,
        Wrong.NO_BEGIN: 0x06, Wrong.TOO_MUCH: 0x06, Wrong.FLASH: 0x08,
    }  # fmt: skip
    ERASES_FIRST = True

    def __init__(
        self, profile: Profile, flash: NorFlash, registers: Registers, baud: Callable[[], int], set_baud: Callable[[int], None]
    ) -> None:
        self.profile = profile
        self.flash = flash
        self.registers = registers
        self.baud = baud
        self.set_baud = set_baud
        self.then = Then.STAY
        self._new_baud: int | None = None
        self._writing: _Writing | None = None
        self._ram: list[tuple[int, int]] = []
        self._services: dict[Op, Callable[[bytes], Answer]] = {
            Op.FLASH_BEGIN: lambda data: self._begin(data, compressed=False),
            Op.FLASH_DATA: self._data,
            Op.FLASH_END: self._end,
            Op.MEM_BEGIN: self._mem_begin,
            Op.MEM_DATA: self._mem_data,
            Op.MEM_END: self._mem_end,
            Op.WRITE_REG: self._write_reg,
            Op.READ_REG: lambda data: (self.registers.read(words(data, 1)[0], self.baud()), b""),
            Op.SPI_SET_PARAMS: lambda data: self._nothing(data, 6),
            Op.SPI_ATTACH: lambda data: self._nothing(data, 1),
            Op.READ_FLASH_SLOW: self._read_slow,
            Op.CHANGE_BAUDRATE: self._change_baud,
            Op.FLASH_DEFL_BEGIN: lambda data: self._begin(data, compressed=True),
            Op.FLASH_DEFL_DATA: self._data,
            Op.FLASH_DEFL_END: self._end,
            Op.SPI_FLASH_MD5: self._md5,
        }
        if profile.magic is None:
            self._services[Op.GET_SECURITY_INFO] = self._security_info

    def frame(self, frame: bytes) -> Iterator[bytes]:
        """Carry out one command; give the frames that answer it. Then look at ``then``. Raises: PowerCut."""
        if len(frame) < _HEADER.size or frame[0] != 0:
            return
        _, op, size, checksum = _HEADER.unpack_from(frame)
        data = frame[_HEADER.size :]
        if op == Op.SYNC and data == _SYNC:
            yield from self.sync()
        elif op not in self._services:
            yield from self.unknown(op)
        else:
            yield from self._answer(Op(op), data, size, checksum)

    def sync(self) -> Iterator[bytes]:
        """Answer SYNC: several times, as each of the bytes that the ROM measures by is one."""
        for _ in range(SYNC_REPLIES):
            yield self.reply(Op.SYNC, _SYNC_VALUE, b"")

    def unknown(self, op: int) -> Iterator[bytes]:
        """Refuse a command that this loader does not have."""
        for _ in range(_INVALID_REPLIES):
            yield self.reply(0, 0, b"", Wrong.MESSAGE)

    def reply(self, op: int, value: int, data: bytes, wrong: Wrong | None = None) -> bytes:
        """Return the content of a reply."""
        status = bytes(2) if wrong is None else bytes((1, self.CODES[wrong]))
        body = data + status.ljust(self.STATUS, b"\0")
        return _HEADER.pack(1, op, len(body), value) + body

    def _answer(self, op: Op, data: bytes, size: int, checksum: int) -> Iterator[bytes]:
        try:
            if size != len(data):
                raise Refused(Wrong.MESSAGE)
            if op in (Op.FLASH_DATA, Op.FLASH_DEFL_DATA, Op.MEM_DATA) and _checksum(data[16:]) != checksum & 0xFF:
                raise Refused(Wrong.CHECKSUM)
            value, answer = self._services[op](data)
        except Refused as e:
            yield self.reply(op, 0, b"", e.why)
        except FlashError:
            yield self.reply(op, 0, b"", Wrong.FLASH)
        else:
            yield self.reply(op, value, answer)
            yield from self.after(op, data)
            if self._new_baud is not None:
                self.set_baud(self._new_baud)
                self._new_baud = None

    def after(self, op: Op, data: bytes) -> Iterator[bytes]:
        """Give what follows the reply to a command that went well."""
        yield from ()

    def _nothing(self, data: bytes, count: int) -> Answer:
        """Accept a command that changes nothing on a chip whose flash is always attached."""
        words(data, count)
        return 0, b""

    def _begin(self, data: bytes, *, compressed: bool) -> Answer:
        size, _, block, offset = words(data, 4)
        self._bounds(offset, size)
        self._writing = _Writing(self.flash, offset, size, block, compressed=compressed)
        if self.ERASES_FIRST:
            self._writing.erase(offset + size)
        return 0, b""

    def _data(self, data: bytes) -> Answer:
        size, sequence, _, _ = words(data, 4)
        block = data[16:]
        if size != len(block):
            raise Refused(Wrong.MESSAGE)
        if self._writing is None:
            raise Refused(Wrong.NO_BEGIN)
        self._writing.put(sequence, block)
        return 0, b""

    def _end(self, data: bytes) -> Answer:
        words(data, 1)
        self._writing = None
        self.then = Then.RUN
        return 0, b""

    def _mem_begin(self, data: bytes) -> Answer:
        size, _, _, offset = words(data, 4)
        if size > _RAM_MAX:
            raise Refused(Wrong.ACTION)
        self._ram.append((offset, offset + size))
        return 0, b""

    def _mem_data(self, data: bytes) -> Answer:
        size, _, _, _ = words(data, 4)
        if size != len(data) - 16:
            raise Refused(Wrong.MESSAGE)
        if not self._ram:
            raise Refused(Wrong.NO_BEGIN)
        return 0, b""

    def _mem_end(self, data: bytes) -> Answer:
        stay, entry = words(data, 2)
        if not stay:
            loaded = any(start <= entry < end for start, end in self._ram)
            self.then = Then.STUB if loaded else Then.CRASH
        self._ram.clear()
        return 0, b""

    def _write_reg(self, data: bytes) -> Answer:
        if not data or len(data) % 16:
            raise Refused(Wrong.MESSAGE)
        for address, value, mask, _ in struct.iter_unpack("<IIII", data):
            self.registers.write(address, value, mask)
        return 0, b""

    def _read_slow(self, data: bytes) -> Answer:
        offset, size = words(data, 2)
        if size > _SLOW_READ:
            raise Refused(Wrong.ACTION)
        self._bounds(offset, size)
        return 0, self.flash.read(offset, size).ljust(_SLOW_READ, b"\0")

    def _change_baud(self, data: bytes) -> Answer:
        self._new_baud = words(data, 2)[0]
        return 0, b""

    def _md5(self, data: bytes) -> Answer:
        return 0, self.digest(*words(data, 4)[:2]).hex().encode()

    def digest(self, offset: int, size: int) -> bytes:
        """Return the MD5 of what is in the flash there."""
        self._bounds(offset, size)
        return md5(self.flash.read(offset, size), usedforsecurity=False).digest()

    def _security_info(self, data: bytes) -> Answer:
        return 0, struct.pack("<IB7xII", 0, 0, self.profile.chip_id, 0)

    def _bounds(self, offset: int, size: int) -> None:
        if offset + size > self.flash.size:
            raise Refused(Wrong.ACTION)


def words(data: bytes, count: int) -> tuple[int, ...]:
    """Return the first ``count`` words of a command. Raises: Refused if it has fewer."""
    if len(data) < 4 * count:
        raise Refused(Wrong.MESSAGE)
    return struct.unpack_from(f"<{count}I", data)


def _checksum(data: bytes) -> int:
    state = _CHECKSUM_SEED
    for byte in data:
        state ^= byte
    return state
