"""The chip's registers as a loader's host reads and writes them: its identity, its eFuses, the SPI controller of its flash.

Source of addresses and bits: esptool 5, targets/esp32*.py, and the technical reference manuals behind it. A register that is not
listed here keeps what is written to it, and is 0 before.
"""

from dataclasses import dataclass

_XTAL_HZ = 40_000_000
_MAGIC_REG = 0x40001000  # in ROM; a different word on each of the older chips
_SPI_CMD_USR = 1 << 18
_READ_ID, _READ_SFDP = 0x9F, 0x5A
_SFDP_SIGNATURE = int.from_bytes(b"SFDP", "little")
_WINBOND = 0x40EF  # manufacturer EF, memory type 40; the third byte is the size's exponent


@dataclass(frozen=True)
class Profile:
    """What tells one chip from another on the line."""

    name: str
    chip_id: int
    magic: int | None
    """The word at 0x40001000; None for a chip that answers GET_SECURITY_INFO in its place."""
    spi: int
    """Base of the SPI controller of the flash."""
    usr2: int
    """Offset of the SPI register that holds the command byte."""
    w0: int
    """Offset of its first data register."""
    uart_divider: int
    """Register of UART 0's clock divider."""
    mac: int
    """Register of the MAC's four low bytes; the two high ones are in the next."""
    fixed: tuple[tuple[int, int], ...] = ()
    """More registers that have a value from the start."""
    usb: bool = False
    """Whether its port is its own USB Serial/JTAG."""


_EFUSE = 0x3FF5A000
PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "esp32",
            0,
            0x00F01D83,
            spi=0x3FF42000,
            usr2=0x24,
            w0=0x80,
            uart_divider=0x3FF40014,
            mac=_EFUSE + 4,
            # ESP32-D0WD-V3, revision 3.1, 240 MHz: package 1 and bits of the revision in words 3 and 5 and in APB_CTRL_DATE; what
            # the ROM measured of its 8 MHz clock (word 4, RTCCALICFG1) says that the crystal has 40 MHz.
            fixed=(
                (_EFUSE + 0x0C, 1 << 9 | 1 << 13 | 1 << 15),
                (_EFUSE + 0x10, 100),
                (_EFUSE + 0x14, 1 << 20 | 1 << 24),
                (0x3FF6607C, 1 << 31),
                (0x3FF5F06C, 1024 << 7),
            ),
        ),
        Profile(
            "esp32s3", 9, None, spi=0x60002000, usr2=0x20, w0=0x58, uart_divider=0x60000014, mac=0x60007044, usb=True
        ),
        Profile(
            "esp32c3", 5, None, spi=0x60002000, usr2=0x20, w0=0x58, uart_divider=0x60000014, mac=0x60008844, usb=True
        ),
    )
}  # fmt: skip


class Registers:
    """The registers of one chip with ``flash_size`` bytes of flash. Made anew at each reset, they forget what was written."""

    def __init__(self, profile: Profile, mac: bytes, flash_size: int) -> None:
        self._profile = profile
        self._flash_id = (flash_size.bit_length() - 1) << 16 | _WINBOND
        self._words = {
            **dict(profile.fixed),
            profile.mac: int.from_bytes(mac[2:], "big"),
            profile.mac + 4: int.from_bytes(mac[:2], "big"),
        }
        if profile.magic is not None:
            self._words[_MAGIC_REG] = profile.magic

    def read(self, address: int, baud: int) -> int:
        """Return the word at ``address``, on a line of ``baud``."""
        if address == self._profile.uart_divider:
            return _XTAL_HZ // baud
        return self._words.get(address, 0)

    def write(self, address: int, value: int, mask: int) -> None:
        """Set the bits of ``mask``; the start of an SPI command is done at once."""
        if address == self._profile.spi and value & mask & _SPI_CMD_USR:
            self._command()
        else:
            self._words[address] = self._words.get(address, 0) & ~mask | value & mask

    def _command(self) -> None:
        """Run what stands in the SPI registers, on a flash chip that knows its ID and no more; the rest it ignores."""
        command = self._words.get(self._profile.spi + self._profile.usr2, 0) & 0xFF
        answers = {_READ_ID: self._flash_id, _READ_SFDP: _SFDP_SIGNATURE}
        self._words[self._profile.spi + self._profile.w0] = answers.get(command, 0)
