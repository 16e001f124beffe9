"""The virtual board: a flash file, a bootloader and a real MicroPython, under one roof and with a power switch.

A reset, a watchdog and a power cut are real: the MicroPython process is killed, and what runs next is what the flash then
holds. Time is the virtual clock's (``clock.py``); only the watchdog also looks at the wall clock, because an endless loop does
nothing that the virtual clock could count.
"""

import atexit
import os
import re
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from mulligan.core import partitions
from mulligan.core.errors import FlashError, FormatError, MulliganError
from mulligan_host.build import build_package
from mulligan_host.micropython import MicroPython
from mulligan_host.partitions import find
from mulligan_host.virtual import bootloader, clock
from mulligan_host.virtual.child import Child, HasFileno
from mulligan_host.virtual.chip import Chip, Reset
from mulligan_host.virtual.console import BoardError, Console
from mulligan_host.virtual.firmware import Firmware
from mulligan_host.virtual.flash import SIZE_4MB, NorFlash, PowerCut
from mulligan_host.virtual.protocol import Cause, Op
from mulligan_host.virtual.serial.keyboard import Keyboard
from mulligan_host.virtual.serial.line import Line
from mulligan_host.virtual.serial.uart import LineReset, Stopped, Uart

__all__ = ["BoardError", "VirtualBoard"]

RUNTIME = Path(__file__).parent / "runtime"
HEAP = {32: 128 * 1024, 64: 256 * 1024}
"""Bytes of heap that a program gets, by word size: less than a stock ESP32 leaves, and twice that for words twice as wide."""
NAMES = 1260
"""How many names fit into MicroPython's first six pools of them (py/qstr.c: 20 names, then twice as many each time)."""
NAMES_HEAP = {32: 8976, 64: 14112}
"""Bytes of the seventh pool."""
RUNTIME_HEAP = {32: 11 * 1024 + NAMES_HEAP[32], 64: 17 * 1024 + NAMES_HEAP[64]}
"""Bytes of heap on top for the runtime, which stands in for what is native code in the chip's flash: its modules, and the seventh
pool, for which the program has too few names (test_many_updates holds that) and both together too many."""
_CAUSES = {
    Cause.POWER_ON: "power on",
    Cause.HARD: "hard reset",
    Cause.WATCHDOG: "watchdog",
    Cause.DEEPSLEEP: "wake from deep sleep",
    Cause.SOFT: "soft reset",
}
_LOOK_SECONDS = 3600.0  # the longest wait in one piece: a watchdog may be set to weeks, which is more than poll takes
_EXIT_SECONDS = 5.0  # from the end of a program's socket to the end of its process


class VirtualBoard:
    """A board that is off until ``power_on``. A context manager: leaving it ends every process and lets go of the flash.

    ``micropythons`` are the interpreters to run firmware with, matched by its ``mpy``. ``package`` gives the directory, for an
    interpreter, that holds the device package: it stands on ``sys.path`` where frozen modules do. ``on_line`` is called with
    each console line, on the board's thread. ``heap``: bytes for the program, HEAP if not given.
    ``max_resets`` since the last power-on end a reset loop with an error.
    ``wall_watchdog`` scales the watchdog's timeout on the wall clock: above 1 for a slow machine, below 1 to save time.
    ``line`` is its serial line, if it has one: then a host can reset it, put it into download mode and use its REPL, and what
    would end a board without one waits for a reset by EN. ``chip`` is what it says it is in download mode.

    Raises: FlashError if the flash file is missing, in use, or not ``size`` bytes.
    """

    def __init__(
        self,
        flash_path: Path,
        micropythons: Sequence[MicroPython],
        package: Callable[[MicroPython], Path] = build_package,
        *,
        size: int = SIZE_4MB,
        heap: int | None = None,
        mac: bytes = b"\x24\x0a\xc4\x00\x00\x01",
        on_line: Callable[[str], None] | None = None,
        max_resets: int = 50,
        wall_watchdog: float = 1.0,
        line: Line | None = None,
        chip: str = "esp32",
    ) -> None:
        self.flash = NorFlash(flash_path, size)
        self.resets: list[tuple[int, int]] = []
        """Each boot since the board was made, the first included: reset cause, and the virtual clock at that moment."""
        self.violations: list[str] = []
        """NOR rules that programs broke; leaving the context with one of them is an error."""
        self._micropythons = micropythons
        self._package = package
        self._heap = heap
        self._max_resets = max_resets
        self._wall_watchdog = wall_watchdog
        self._wall_deadline = 0.0
        self._resets_before = 0
        self._console = Console(on_line)
        self._line = line
        self._chip_name = chip
        self._uart: Uart | None = None
        self._mac = mac
        self._chip = Chip(self.flash, mac, self._violation)
        self._thread: threading.Thread | None = None
        self._wake: tuple[int, int] = (-1, -1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.power_off()
        self.flash.close()
        if self.violations and error is None:
            raise FlashError(f"programs on the virtual board broke NOR's rules, first: {self.violations[0]}")

    # What a hand on the desk does

    def power_on(self) -> None:
        """Switch the supply on; the board boots. Raises: BoardError if it is on."""
        if self.powered:
            raise BoardError("the virtual board is on already")
        self._join()
        self._resets_before = len(self.resets)
        self._console.open()
        self._wake = os.pipe()
        if self._line is not None:
            self._line.power_up()
            self._uart = Uart(self._line, self._wake[0], self._chip_name, self.flash, self._mac, self._say)
        self._thread = threading.Thread(target=self._run, name="virtual board", daemon=True)
        self._thread.start()
        atexit.register(self.power_off)

    def power_off(self) -> None:
        """Switch the supply off, at whatever moment this is; whole flash operations are done, or not at all."""
        if self._thread is None:
            return
        os.write(self._wake[1], b"x")
        if threading.current_thread() is not self._thread:
            self._join()

    def cut_power(self, after: int, keep: float = 0.5) -> None:
        """Let the supply fail inside the ``after``-th program or erase from now (1: the next), with the first ``keep`` of its
        bytes done. The board is off then; ``wait_off`` waits for that."""
        self.flash.cut_at(after, keep)

    def hold(self, pin: int, low: bool = True) -> None:
        """Hold an input pin low, or let go of it."""
        (self._chip.low.add if low else self._chip.low.discard)(pin)

    # What one sees

    @property
    def powered(self) -> bool:
        """Whether the board runs: it has power, and has not failed for good or gone to sleep for ever."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def lines(self) -> list[str]:
        """The console since the board was made; lines of the board itself begin with ``board:``."""
        return self._console.lines

    @property
    def clock_us(self) -> int:
        """The virtual clock, in microseconds since the board was made; it stands still while the power is off."""
        return self._chip.clock.now_us

    @property
    def reset_cause(self) -> int:
        """Why the board booted last, as ``machine.reset_cause()`` says it."""
        return int(self._chip.cause)

    @property
    def running(self) -> Firmware | None:
        """The firmware that was booted last."""
        return self._chip.boot.firmware if self._chip.boot else None

    def wait(self, pattern: str | re.Pattern[str] | Callable[[str], object], timeout: float = 60.0) -> str:
        """Wait for a console line that matches, later than the one the last call returned; return it.

        ``pattern`` is searched for, or called with the line. ``timeout`` is in seconds of the wall clock: a safety net.
        Raises: BoardError, with the end of the console, if there is none in time or the board has stopped.
        """
        return self._console.wait(pattern, timeout)

    def wait_off(self, timeout: float = 60.0) -> str:
        """Wait until the board is off (a power cut, sleep for ever, a failure); return why. Raises: BoardError if it stays on."""
        why = self._console.wait_closed(timeout)
        self._join()
        return why

    def partition(self, label: str) -> bytes:
        """Return the content of a partition, as the flash holds it now. Raises: FormatError if there is none of that name."""
        row = find(partitions.decode(self.flash.peek(partitions.TABLE_OFFSET, partitions.TABLE_SIZE)), label)
        return self.flash.peek(row.offset, row.size)

    # The board's own thread

    def _run(self) -> None:
        cause = Cause.POWER_ON
        try:
            while True:
                try:
                    if self._uart is not None:
                        if cause is Cause.POWER_ON:
                            self._uart.release()
                        self._uart.boot(cause)
                    cause = self._life(cause)
                except LineReset:
                    cause = Cause.POWER_ON  # EN is the chip's power-up pin
                    self._resets_before = len(self.resets)
        except PowerCut as e:
            why = f"power cut {e}"
        except Stopped as e:
            why = str(e)
        except MulliganError as e:
            why = f"failed: {e}"
        except Exception:
            why = f"failed in itself: {traceback.format_exc()}"
        try:
            self._say(why)
        finally:
            self._console.close(why)

    def _stuck(self, why: str, error: Exception) -> NoReturn:
        """Nothing runs any more: only a reset helps, if there is a line for it. Raises: ``error`` if not; LineReset, Stopped."""
        if self._uart is None:
            raise error
        self._uart.stuck(why)

    def _life(self, cause: Cause) -> Cause:
        """Run from one reset to the next; return the next one's cause."""
        if len(self.resets) - self._resets_before > self._max_resets:
            why = f"{self._max_resets} resets since power-on: a reset loop (max_resets)"
            self._stuck(why, BoardError(why))
        self.resets.append((int(cause), self.clock_us))
        self._say(_CAUSES[cause])
        try:
            try:
                boot = self._chip.start(cause)
            except FormatError as e:
                self._stuck(f"no partition table: {e}", e)
            if boot is None:
                self._say("no app loads")
                if self._uart is not None:
                    self._uart.stuck("No bootable app partitions in the partition table")
                return Cause.HARD
            self._say(f"{boot.app.label} runs, firmware {boot.firmware.version}")
            if boot.firmware.behaviour == "crash":
                return Cause.HARD
            if boot.firmware.behaviour == "hang":
                self._chip.clock.advance(clock.BOOTLOADER_WDT_US)
                return Cause.WATCHDOG
            return self._program(boot)
        except clock.WatchdogExpired:
            return Cause.WATCHDOG
        except Reset as e:
            if e.cause is Cause.DEEPSLEEP:
                if e.sleep_ms is None:
                    self._stuck("asleep for ever", Stopped("asleep for ever"))
                self._say(f"deep sleep for {e.sleep_ms} ms")
                self._chip.clock.disarm()
                self._chip.clock.advance(e.sleep_ms * 1000)
            return e.cause

    def _program(self, boot: bootloader.Boot) -> Cause:
        """Run the MicroPython of ``boot`` until it is killed. Returns Cause.HARD if it dies by itself, as a panic resets."""
        mp = next((mp for mp in self._micropythons if mp.mpy == boot.firmware.mpy), None)
        if mp is None:
            have = ", ".join(f"{mp.mpy} ({mp.label})" for mp in self._micropythons)
            raise BoardError(f"firmware {boot.firmware.version} is of _mpy {boot.firmware.mpy}; there is only {have}")
        runtime = build_package(mp, RUNTIME)
        path = f":.frozen:{f'{self._package(mp)}:' if boot.firmware.package else ''}{runtime}"
        heap = (self._heap or HEAP[mp.bits]) + RUNTIME_HEAP[mp.bits]
        others: dict[str, HasFileno | int] = {"wake": self._wake[0]}
        if self._line is not None:
            others["line"] = self._line
        child = Child(mp.command(heap=str(heap)), path, runtime, others)
        code = None
        try:
            self._serve(child)
            code = child.ended(_EXIT_SECONDS)
        finally:
            _, rest = child.end()
            self._console.feed(rest)
            self._console.end()
        self._say(f"MicroPython ended by itself, exit code {code}: a crash")
        return Cause.HARD

    def _serve(self, child: Child) -> None:
        """Answer requests until the program ends. Raises: what ends it: Reset, WatchdogExpired, PowerCut, Stopped."""
        armed = self._chip.clock
        keyboard = Keyboard(child, self._line) if self._line is not None else None
        while True:
            timeout = keyboard.timeout(_LOOK_SECONDS) if keyboard else _LOOK_SECONDS
            if armed.timeout_ms is not None:
                timeout = min(timeout, max(0.0, self._wall_deadline - time.monotonic()))
            ready = child.wait(timeout)
            if "wake" in ready:
                raise Stopped("power off")
            if "output" in ready:
                output = child.output()
                self._console.feed(output)
                if keyboard:
                    keyboard.printed(output)
            if keyboard and self._uart and "line" in ready:
                keyboard.typed(self._uart.received())
            if "link" in ready:
                request = child.request()
                if request is None:
                    return
                if request[0] == Op.KBD:
                    answer: tuple[int, bytes] | None = keyboard.set_key(*request[1:3]) if keyboard else (0, b"")
                else:
                    answer = self._chip.handle(*request)
                if request[0] == Op.WDT and armed.timeout_ms is not None:
                    self._wall_deadline = time.monotonic() + armed.timeout_ms / 1000 * self._wall_watchdog
                if answer is not None:
                    child.reply(*answer, interrupt=keyboard is not None and keyboard.interrupts(request[0]))
            if keyboard:
                keyboard.tick()
            if armed.timeout_ms is not None and time.monotonic() >= self._wall_deadline:
                armed.expire()

    def _violation(self, what: str) -> None:
        self.violations.append(what)
        self._say(what)

    def _say(self, what: str) -> None:
        self._console.add(f"board: {what} [{self.clock_us / 1e6:.6f} s]")

    def _join(self) -> None:
        """Wait for the board's thread to end, and clear up after it."""
        if self._thread is None:
            return
        self._thread.join()
        self._thread = None
        for descriptor in self._wake:
            os.close(descriptor)
        atexit.unregister(self.power_off)
