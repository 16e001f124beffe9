"""The child's side of the board's protocol, over the socket whose number is the last argument. The table is in protocol.py.

Nothing here allocates but where it says so: littlefs may write from a finaliser, where the heap is locked; and a collection in
the middle of littlefs would run finalisers, which close files. A function's frame is no allocation as long as it has at most
eleven slots: arguments, locals, and what an expression needs (py/vm.c, VM_MAX_STATE_ON_STACK).
"""

import sys
from array import array

READ = 1
PROGRAM = 2
ERASE = 3
ROW = 4
SLOT = 5
NEXT = 6
SET_BOOT = 7
CONFIRM = 8
RESET = 9
CAUSE = 10
WDT = 11
RTC_READ = 12
RTC_WRITE = 13
ID = 14
TICKS = 15
WORK = 16
IDLE = 17
REPL = 18
KBD = 19
RAW = 20
PIN = 21
FIND = 22
NO_KEY = 0xFFFFFFFF

_link = open(int(sys.argv[-1]), "r+b")
_request = array("I", (0, 0, 0, 0))
_reply = array("i", (0, 0))
_byte = bytearray(1)
_EMPTY = b""
_NAMES = {
    -0x1: "ESP_FAIL",
    -0x102: "ESP_ERR_INVALID_ARG",
    -0x104: "ESP_ERR_INVALID_SIZE",
    -0x105: "ESP_ERR_NOT_FOUND",
    -0x1503: "ESP_ERR_OTA_VALIDATE_FAILED",
}


def call(op, a=0, b=0, data=_EMPTY, into=None):
    """Ask the board; return its value, and fill ``into`` with the payload of a reply whose length is known.

    Raises: OSError as on the chip; KeyboardInterrupt where the board says that Ctrl-C was typed.
    """
    _ask(op, a, b, data)
    if into and _reply[0] >= 0:
        _receive(into, len(into))
    return _value()


def read(address, buf):
    """Fill ``buf`` from the flash."""
    call(READ, address, len(buf), _EMPTY, buf)


def error(value):
    """The OSError for a negative value: errno numbers stand for themselves, ESP-IDF's come as ``(-code, name)``."""
    return OSError(value, _NAMES[value]) if value in _NAMES else OSError(-value)


def stop(op, a=0, b=0):
    """Make a request that ends the program: wait to be killed."""
    call(op, a, b)


def payload(op, a=0, b=0, data=_EMPTY):
    """The payload of a reply whose value is its length. Allocates it. Raises: as ``call``; MemoryError.

    Whatever it raises, the reply has been read to its end, as the next one follows it.
    """
    _ask(op, a, b, data)
    size = max(_reply[0], 0)
    try:
        buffer = bytearray(size)
    except MemoryError:
        for _ in range(size):
            _receive(_byte, 1)
        raise
    if size:
        _receive(buffer, size)
    _value()
    return buffer


def _ask(op, a, b, data):
    """Send a request, and receive the head of its reply."""
    _request[0] = op
    _request[1] = a
    _request[2] = b
    _request[3] = len(data)
    _write(_request, 16)
    if data:
        _write(data, len(data))
    _receive(_reply, 8)


def _value():
    """What the reply says. Raises: as ``call``."""
    if _reply[1]:
        raise KeyboardInterrupt
    value = _reply[0]
    if value < 0:
        raise error(value)
    return value


def _receive(buffer, size):
    """Fill ``buffer``, whose bytes are ``size``. Allocates only where the socket is read short."""
    got = _link.readinto(buffer)
    while got < size:
        more = _link.readinto(memoryview(buffer)[got:]) if got else 0
        if not more:
            sys.exit()  # the board is gone
        got += more


def _write(data, size):
    sent = _link.write(data)
    while sent < size:
        sent += _link.write(memoryview(data)[sent:])
