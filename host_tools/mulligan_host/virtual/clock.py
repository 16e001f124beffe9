"""The virtual clock: microseconds that pass by counted work, never by themselves, so that the same actions take the same time.

What each action costs is stated here, and for reads and multiply-accumulates in boards/esp32.toml. They are figures for a stock
ESP32 at 240 MHz; where no measurement stands behind one, it says so. They make budgets and deadlines testable; they are no
forecast for a given board.
"""

ERASE_US = 45_000
"""Per 4 KiB sector, as on flash data sheets; with PROGRAM_PAGE_US it gives the measured 75 KB/s of erase and program."""
PROGRAM_PAGE_US = 600
"""Per 256 bytes or part of them."""
PROGRAM_PAGE = 256
BOOT_US = 1_000_000
"""From reset to boot.py, one image verification included. An estimate."""
SOFT_BOOT_US = 200_000
"""From a soft reset to boot.py. An estimate."""
VERIFY_US = 700_000
"""set_boot hashes the whole image: 1.4 MB at about 2 MB/s. An estimate."""
BOOTLOADER_WDT_US = 9_000_000
"""ESP-IDF's CONFIG_BOOTLOADER_WDT_TIME_MS, its default: what resets a firmware that hangs before boot.py."""


def program_us(size: int) -> int:
    return -(-size // PROGRAM_PAGE) * PROGRAM_PAGE_US


class WatchdogExpired(Exception):
    """The clock stands at the watchdog's deadline."""


class VirtualClock:
    """Time since the board was made, which passes in ``advance`` alone, and the watchdog that watches it."""

    def __init__(self) -> None:
        self.now_us = 0
        self.timeout_ms: int | None = None
        """Of the watchdog; None while it is not armed."""
        self._deadline_us = 0

    def advance(self, us: int) -> None:
        """Let ``us`` pass. Raises: WatchdogExpired, the clock at the deadline exactly, if it comes before the time is over."""
        end = self.now_us + us
        if self.timeout_ms is not None and end > self._deadline_us:
            self.expire()
        self.now_us = end

    def expire(self) -> None:
        """Go straight to the watchdog's deadline. Raises: WatchdogExpired."""
        self.now_us = self._deadline_us
        raise WatchdogExpired

    def arm(self, timeout_ms: int) -> None:
        """Start the watchdog, or start it again with another timeout."""
        self.timeout_ms = timeout_ms
        self.feed()

    def feed(self) -> None:
        """Give the watchdog its full timeout again, if it is armed."""
        if self.timeout_ms is not None:
            self._deadline_us = self.now_us + self.timeout_ms * 1000

    def disarm(self) -> None:
        """Stop the watchdog, as only a reset does."""
        self.timeout_ms = None
