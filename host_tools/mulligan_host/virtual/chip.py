"""The part of the virtual ESP32 that outlives its program: flash, clock, watchdog, RTC memory, reset cause; and its services.

``Chip`` knows nothing of processes: it takes one request at a time and answers, or says that the chip resets.
"""

from collections.abc import Callable

from mulligan.core import otadata, partitions
from mulligan.core.errors import FlashError, FormatError
from mulligan_host import boards
from mulligan_host.virtual import bootloader, clock, protocol
from mulligan_host.virtual.bootloader import Boot
from mulligan_host.virtual.flash import SECTOR, Nor
from mulligan_host.virtual.protocol import Cause, Op

Answer = tuple[int, bytes]


class Reset(Exception):
    """The program asked for a reset; ``sleep_ms`` of deep sleep come first, None standing for ever."""

    def __init__(self, cause: Cause, sleep_ms: int | None = 0) -> None:
        super().__init__(cause, sleep_ms)
        self.cause = cause
        self.sleep_ms = sleep_ms


class Chip:
    """One chip on one flash. ``violation`` is called with each NOR rule that the program breaks."""

    def __init__(self, flash: Nor, mac: bytes, violation: Callable[[str], None]) -> None:
        self.flash = flash
        self.clock = clock.VirtualClock()
        self._speed = boards.load("esp32").speed
        self.cause = Cause.POWER_ON
        self.boot: Boot | None = None
        self.at_repl = False
        self._raw_repl = False
        self.low: set[int] = set()
        """Pins that something holds low."""
        self._mac = mac
        self._violation = violation
        self._rtc_memory = b""
        self._booted_us = 0
        self._services: dict[Op, Callable[[int, int, bytes], Answer]] = {
            Op.READ: self._read,
            Op.PROGRAM: self._program,
            Op.ERASE: self._erase,
            Op.ROW: lambda index, b, payload: (partitions.ROW_SIZE, partitions.encode_row(self._running.rows[index])),
            Op.FIND: self._find,
            Op.SLOT: self._slot,
            Op.NEXT: self._next,
            Op.SET_BOOT: self._set_boot,
            Op.CONFIRM: self._confirm,
            Op.RESET: self._reset,
            Op.CAUSE: lambda a, b, payload: (int(self.cause), b""),
            Op.WDT: self._wdt,
            Op.RTC_READ: lambda a, b, payload: (len(self._rtc_memory), self._rtc_memory),
            Op.RTC_WRITE: self._rtc_write,
            Op.ID: lambda a, b, payload: (len(self._mac), self._mac),
            Op.TICKS: lambda a, b, payload: ((self.clock.now_us - self._booted_us) // a & protocol.TICKS_MASK, b""),
            Op.WORK: lambda a, b, payload: self._pass(self._speed.work_us(a)),
            Op.PIN: lambda a, b, payload: (int(a not in self.low), b""),
            Op.IDLE: lambda a, b, payload: self._pass(a * 1000),
            Op.RAW: self._raw,
        }

    def start(self, cause: Cause) -> Boot | None:
        """Boot after a reset: run the bootloader where the chip does; return what runs, or None if nothing loads.

        A wake from deep sleep looks at neither otadata nor the image: it runs what ran before (ESP-IDF's
        CONFIG_BOOTLOADER_SKIP_VALIDATE_IN_DEEP_SLEEP, set in stock builds), or nothing if that has been overwritten since.
        A soft reset stays inside the running firmware, and leaves the watchdog armed.
        Raises: PowerCut; FormatError without a partition table; WatchdogExpired.
        """
        self.cause = cause
        self.at_repl = False
        self._booted_us = self.clock.now_us
        if cause is Cause.SOFT:
            self.clock.advance(clock.SOFT_BOOT_US)
            return self.boot
        self._raw_repl = False
        self.clock.disarm()
        if cause is Cause.POWER_ON:
            self._rtc_memory = b""
        self.clock.advance(clock.BOOT_US)
        if cause is Cause.DEEPSLEEP and self.boot is not None:
            found = bootloader.load(self.flash, self.boot.app)
            self.boot = None if found is None else Boot(self.boot.rows, self.boot.app, found)
            return self.boot
        erases, programs = self.flash.counters.erases, self.flash.counters.programs
        self.boot = bootloader.boot(self.flash)
        self.clock.advance((self.flash.counters.erases - erases) * clock.ERASE_US)
        self.clock.advance((self.flash.counters.programs - programs) * clock.program_us(otadata.ENTRY_SIZE))
        return self.boot

    def handle(self, op: int, a: int, b: int, payload: bytes) -> Answer | None:
        """Answer one request; None if there is nothing to say, ever.

        Raises: Reset, WatchdogExpired, PowerCut, each of which ends the program.
        """
        if op == Op.REPL:
            self.at_repl = True
            if self.clock.timeout_ms is not None:
                self.clock.expire()  # nobody is left to feed it, so there is nothing to wait for
            return None
        try:
            return self._services[Op(op)](a, b, payload)
        except FlashError as e:
            self._violation(str(e))
            return protocol.EIO, b""
        except FormatError:
            return protocol.ESP_FAIL, b""

    def _pass(self, us: int) -> Answer:
        self.clock.advance(us)
        return 0, b""

    def _read(self, address: int, size: int, payload: bytes) -> Answer:
        data = self.flash.read(address, size)
        self.clock.advance(self._speed.reads_us(1, size))
        return 0, data

    def _program(self, address: int, b: int, payload: bytes) -> Answer:
        self.flash.program(address, payload)
        return self._pass(clock.program_us(len(payload)))

    def _erase(self, address: int, size: int, payload: bytes) -> Answer:
        self.flash.erase(address, size)
        return self._pass(size // SECTOR * clock.ERASE_US)

    @property
    def _running(self) -> Boot:
        assert self.boot is not None  # a program runs, so something was booted
        return self.boot

    def _find(self, type: int, subtype: int, label: bytes) -> Answer:
        found = bytes(
            index
            for index, row in enumerate(self._running.rows)
            if row.type == type and subtype in (protocol.ANY, row.subtype) and label in (b"", row.label.encode() + b"\0")
        )
        return len(found), found

    def _index(self, row: partitions.Row | None) -> Answer:
        return (protocol.ENOENT if row is None else self._running.rows.index(row)), b""

    def _slot(self, which: int, b: int, payload: bytes) -> Answer:
        rows = self._running.rows
        if which == 1:
            return self._index(self._running.app)
        data = bootloader.first(rows, partitions.DATA, partitions.OTADATA)
        if data is None:
            return protocol.ENOENT, b""
        slots = partitions.app_slots(rows)
        chosen = otadata.selected(bootloader.read_otadata(self.flash, data), len(slots))
        if chosen is not None:
            return self._index(slots[chosen])
        factory = bootloader.first(rows, partitions.APP, partitions.FACTORY)
        return self._index(factory or (slots[0] if slots else None))

    def _next(self, index: int, b: int, payload: bytes) -> Answer:
        rows = self._running.rows
        slots = partitions.app_slots(rows)
        if not slots:
            return protocol.ENOENT, b""
        after = slots.index(rows[index]) + 1 if rows[index] in slots else 0
        return self._index(slots[after % len(slots)])

    def _set_boot(self, index: int, b: int, payload: bytes) -> Answer:
        rows = self._running.rows
        data = bootloader.first(rows, partitions.DATA, partitions.OTADATA)
        slots = partitions.app_slots(rows)
        self.clock.advance(clock.VERIFY_US)
        if bootloader.load(self.flash, rows[index]) is None:
            return protocol.ESP_ERR_OTA_VALIDATE_FAILED, b""
        if data is None:
            return protocol.ESP_ERR_NOT_FOUND, b""
        if rows[index].type == partitions.APP and rows[index].subtype == partitions.FACTORY:
            return self._erase(data.offset, data.size, b"")
        if rows[index] not in slots:
            return protocol.ESP_ERR_INVALID_ARG, b""
        entries = bootloader.read_otadata(self.flash, data)
        rollback = self._running.firmware.rollback
        return self._write_entry(data, *otadata.set_boot(entries, len(slots), slots.index(rows[index]), rollback))

    def _confirm(self, a: int, b: int, payload: bytes) -> Answer:
        data = bootloader.first(self._running.rows, partitions.DATA, partitions.OTADATA)
        if data is None or not self._running.firmware.rollback:
            return protocol.ESP_ERR_NOT_FOUND, b""
        change = otadata.confirm(bootloader.read_otadata(self.flash, data))
        return (0, b"") if change is None else self._write_entry(data, *change)

    def _write_entry(self, data: partitions.Row, index: int, entry: otadata.Entry) -> Answer:
        bootloader.write_entry(self.flash, data, index, entry)
        return self._pass(clock.ERASE_US + clock.program_us(otadata.ENTRY_SIZE))

    def _reset(self, kind: int, ms: int, payload: bytes) -> Answer:
        raise Reset(Cause(kind), None if kind == Cause.DEEPSLEEP and ms == 0 else ms)

    def _wdt(self, ms: int, b: int, payload: bytes) -> Answer:
        if ms:
            self.clock.arm(ms)
        else:
            self.clock.feed()
        return 0, b""

    def _rtc_write(self, a: int, b: int, payload: bytes) -> Answer:
        if len(payload) > protocol.RTC_MEMORY_MAX:
            return protocol.ESP_ERR_INVALID_ARG, b""
        self._rtc_memory = payload
        return 0, b""

    def _raw(self, what: int, b: int, payload: bytes) -> Answer:
        if what < 2:
            self._raw_repl = bool(what)
        return int(self._raw_repl), b""
