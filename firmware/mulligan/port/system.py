"""The chip: resets, the watchdog, clocks, and the heap. On the virtual board the clock counts work instead of time."""

import gc
import time

import machine

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
        self.heap = gc.mem_alloc() + gc.mem_free()
        self.heap_peak = 0

    def reset_cause(self):
        return machine.reset_cause()

    def reset(self):
        machine.reset()

    def guard(self, timeout_ms):
        """Arm the watchdog, or set it to another time: without feed() within ``timeout_ms`` the chip resets."""
        self._watchdog = machine.WDT(timeout=timeout_ms)

    def release(self):
        """Let the watchdog sleep for 24 days after each feed(); nothing on this chip can stop it for good."""
        self.guard(_NEVER_MS)

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
