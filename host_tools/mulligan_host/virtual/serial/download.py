"""The chip in download mode: from leaving reset with GPIO0 low to whatever ends that."""

import select
from collections.abc import Callable

from mulligan_host.virtual.flash import NorFlash
from mulligan_host.virtual.serial import slip
from mulligan_host.virtual.serial.line import RUN_BAUD, Line
from mulligan_host.virtual.serial.registers import Profile, Registers
from mulligan_host.virtual.serial.rom import Loader, Then
from mulligan_host.virtual.serial.stub import GREETING, Stub

WAITING = "rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))\r\nwaiting for download\r\n"
RUNNING = "rst:{cause:#x},boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"


def serve(line: Line, wake: int, profile: Profile, flash: NorFlash, mac: bytes, say: Callable[[str], None]) -> bool:
    """Serve the host on ``line`` until the chip leaves download mode (then True) or is reset by EN, or ``wake`` is readable.

    Raises: PowerCut.
    """
    line.chip_baud = RUN_BAUD
    line.send(WAITING.encode())
    line.chip_baud = None  # the ROM measures it by each SYNC, and the host begins with one
    while True:
        loader: Loader = Loader(profile, flash, Registers(profile, mac, flash.size), *_rate(line))
        say("download mode")
        decoder = slip.Decoder()
        while loader.then in (Then.STAY, Then.STUB):
            ready, _, _ = select.select([line.fileno(), wake], [], [])
            if wake in ready:
                return False
            data, reset = line.take()
            if reset:
                return False
            for frame in decoder.feed(data):
                for answer in loader.frame(frame):
                    line.send(slip.encode(answer))
                if loader.then is Then.STUB:
                    loader = Stub(profile, flash, loader.registers, *_rate(line))
                    line.send(slip.encode(GREETING))
                    say("flasher stub")
                elif loader.then is not Then.STAY:
                    break
        line.chip_baud = RUN_BAUD
        if loader.then is Then.RUN:
            return True
        say("a program that is not there: a crash" if loader.then is Then.CRASH else "software reset")
        line.chip_baud = None


def _rate(line: Line) -> tuple[Callable[[], int], Callable[[int], None]]:
    """What a loader reads the line's rate with, and sets it."""

    def read() -> int:
        return line.chip_baud or line.host_baud or RUN_BAUD

    def write(baud: int) -> None:
        line.chip_baud = baud

    return read, write
