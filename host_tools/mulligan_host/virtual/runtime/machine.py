"""``machine`` of the stock firmware, as far as Mulligan needs it, and ``virtual``: the virtual clock, which no chip has."""

import time

import _virtual
from _virtual import call

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5
_RTC_MEMORY_MAX = 2048


def reset():
    _virtual.stop(_virtual.RESET, HARD_RESET)


def soft_reset():
    _virtual.stop(_virtual.RESET, SOFT_RESET)


def deepsleep(time_ms=0):
    """Sleep and boot again; without a time, for ever."""
    _virtual.stop(_virtual.RESET, DEEPSLEEP_RESET, time_ms)


def reset_cause():
    return call(_virtual.CAUSE)


def unique_id():
    return bytes(_virtual.payload(_virtual.ID))


def freq():
    return 240000000


class WDT:
    """The task watchdog: cannot be stopped; made again with another timeout it counts from there."""

    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        call(_virtual.WDT, timeout)

    def feed(self):
        call(_virtual.WDT)


class Pin:
    """An input with a pull-up, which something may hold low."""

    IN = 1
    PULL_UP = 2

    def __init__(self, id, mode=IN, pull=None):
        self._id = id

    def value(self):
        return call(_virtual.PIN, self._id)


class RTC:
    def datetime(self, to=None):
        """The host's time, in UTC; that is not for a board to set."""
        now = time.gmtime()
        return now[:3] + (now[6],) + now[3:6] + (0,) if to is None else None

    def memory(self, data=None):
        """Return the RTC memory, or set it: it survives every reset but the loss of power."""
        if data is None:
            return bytes(_virtual.payload(_virtual.RTC_READ))
        if len(data) > _RTC_MEMORY_MAX:
            raise ValueError("buffer too long")
        call(_virtual.RTC_WRITE, 0, 0, data)
        return None


class _Virtual:
    """The virtual clock: stands still but for what flash operations and these calls charge."""

    def ticks_us(self):
        """Microseconds since boot, modulo 2**30, so that it is a small int on every port."""
        return call(_virtual.TICKS, 1)

    def ticks_ms(self):
        """The same in milliseconds."""
        return call(_virtual.TICKS, 1000)

    def work(self, macs):
        """Let the time of ``macs`` multiply-accumulates of an int8 kernel pass."""
        call(_virtual.WORK, macs)

    def idle(self, ms):
        """Let ``ms`` milliseconds pass in which the program waits."""
        call(_virtual.IDLE, ms)


virtual = _Virtual()
