"""The chip: resets, the watchdog, clocks, and the heap. On the virtual board the clock counts work instead of time."""

import gc
import os
import sys
import time

import machine

from ..borrow import Borrowed

_NEVER_MS = 0x7FFFFFFF  # the ESP32's watchdog cannot be stopped, but it can be set to 24 days
_EPOCH_2000 = 946684800  # seconds from 1970 to MicroPython's epoch on the ESP32
_PLAUSIBLE = 1700000000  # a clock before this date was never set

_virtual = getattr(machine, "virtual", None)


class Clock:
    """Durations, by ticks that do not survive a reset, and the time of day."""

    def ticks_us(self):
        return _virtual.ticks_us() if _virtual else time.ticks_us()

    def elapsed_us(self, since):
        """Microseconds since ``since``, a value of ticks_us()."""
        return time.ticks_diff(self.ticks_us(), since)

    def ticks_ms(self):
        """For what may take longer than the nine minutes of which microseconds can tell: up to six days at a time."""
        return _virtual.ticks_ms() if _virtual else time.ticks_ms()

    def elapsed_ms(self, since):
        """Milliseconds since ``since``, a value of ticks_ms()."""
        return time.ticks_diff(self.ticks_ms(), since)

    def idle_ms(self, ms):
        """Note that the caller is about to sleep for ``ms``: virtual time has no other way to know. True if it still has to."""
        if _virtual:
            _virtual.idle(ms)
        return not _virtual

    def now(self):
        """Seconds since 1970, or None where the clock was never set."""
        seconds = time.time()
        if time.gmtime(0)[0] == 2000:
            seconds += _EPOCH_2000
        return int(seconds) if seconds >= _PLAUSIBLE else None


class System:
    """Resets, the watchdog, and what the heap has held at most."""

    def __init__(self):
        self._watchdog = None
        self._idle_ms = _NEVER_MS
        self.since = 0  # Clock.ticks_ms() when a trial that began with this boot was started
        self.versions = {"firmware": "{}.{}.{}".format(*sys.implementation.version[:3])}
        self.mpy = getattr(sys.implementation, "_mpy", 0)
        self.heap = gc.mem_alloc() + gc.mem_free()
        self.heap_peak = 0

    def reset_cause(self):
        return machine.reset_cause()

    def held(self, pin):
        """Whether something holds the input ``pin`` low; never for a negative number."""
        return pin >= 0 and not machine.Pin(pin, machine.Pin.IN, machine.Pin.PULL_UP).value()

    def connect(self, ssid, password):
        """Begin to join a Wi-Fi network; whoever asks it for something finds out whether it has."""
        import network

        station = network.WLAN(network.STA_IF)
        station.active(True)
        station.connect(ssid, password)

    def sleep(self, ms):
        """Wait, in pieces in which the watchdog is fed."""
        while ms > 0:
            self.feed()
            part = min(ms, 1000)
            if _virtual:
                _virtual.idle(part)
            else:
                time.sleep_ms(part)
            ms -= part

    def reset(self):
        machine.reset()

    def firmware(self):
        """(slot that runs, whether the bootloader would abort it at the next reset)."""
        with Borrowed("port.bootctl") as bootctl:
            return bootctl.running(), bootctl.pending()

    def select(self, slot):
        """Have the bootloader start the firmware in ``slot`` at the next reset. Raises: FlashError."""
        with Borrowed("port.bootctl") as bootctl:
            bootctl.select(slot)

    def keep(self):
        """Have the bootloader start the firmware that runs from now on. Raises: FlashError."""
        with Borrowed("port.bootctl") as bootctl:
            bootctl.keep()

    def mount(self, region, length, where):
        """Raises: OSError where ``region`` holds no littlefs of ``length`` bytes."""
        with Borrowed("port.mount") as mount:
            mount.mount(region, length, where)

    def unmount(self, where):
        with Borrowed("port.mount") as mount:
            mount.unmount(where)

    def carries(self, where):
        """Whether what is mounted there holds this package."""
        return "mulligan" in os.listdir(where)

    def run_from(self, region, length):
        """Mount the app and run main.py and modules from there. Raises: OSError."""
        with Borrowed("port.mount") as mount:
            mount.mount(region, length, mount.APP)
            mount.run_from(mount.APP)

    def guard(self, timeout_ms):
        """Arm the watchdog, or set it to another time: without feed() within ``timeout_ms`` the chip resets."""
        self._watchdog = machine.WDT(timeout=timeout_ms)

    def release(self, idle_ms=0):
        """Nothing is on trial: let the watchdog sleep for so long after each feed(), or as before. At first that is 24 days;
        nothing on this chip can stop it for good."""
        self._idle_ms = idle_ms or self._idle_ms
        self.guard(self._idle_ms)

    def feed(self):
        if self._watchdog:
            self._watchdog.feed()

    def work(self, operations):
        """Told by the engine after each op; virtual time advances by it."""
        if _virtual:
            _virtual.work(operations)

    def sample_heap(self):
        """Collect garbage and note how much of the heap is in use: called where the most is. Returns the bytes that are free."""
        gc.collect()
        self.heap_peak = max(self.heap_peak, gc.mem_alloc())
        return gc.mem_free()
