"""What the MicroPython child asks of the board, over one stream socket: the host's side of the table.

    request   u32 op | u32 a | u32 b | u32 n | n bytes       little-endian, like every machine this runs on
    reply     i32 value | u32 interrupt | payload bytes    interrupt: Ctrl-C was typed

The payload's length is known to the asker: see the table. A negative value is an error and has no payload: the negative of an
ESP-IDF error (0x100 and up), of ENOENT or EIO, or ESP_FAIL. The child's side is ``runtime/_virtual.py``.

    op          a          b          payload ->   value                          -> payload
    READ        address    size                    0                              size bytes
    PROGRAM     address               the bytes    0
    ERASE       address    size                    0
    ROW         index                              32                             the row, as in the table
    FIND        type       subtype    label, NUL   n; 0xFF is any subtype,        n row indexes, a byte each
                                                   no payload any label
    SLOT        which                              row index: 0 boot, 1 running
    NEXT        row index                          row index of the next update
    SET_BOOT    row index                          0
    CONFIRM                                        0
    RESET       kind       ms                      none: the child is killed. kind: a reset cause; ms: of deep sleep, 0 for ever
    CAUSE                                          reset cause of this boot
    WDT         ms                                 0; ms 0 feeds, any other arms
    RTC_READ                                       n                              n bytes of RTC memory
    RTC_WRITE                         the bytes    0
    ID                                             6                              the MAC
    TICKS       microseconds in a unit             units since boot, modulo 2**30
    WORK        macs                               0
    IDLE        ms                                 0
    REPL                                           none: nothing runs any more
    KBD         character  cooked                  whether there is a serial line. The character interrupts from now on (NO_KEY:
                                                   none does); cooked: \n goes out as \r\n
    RAW         0, 1 or 2                          whether the raw REPL is on, which survives a soft reset; 2 only asks
    PIN         number                             1, or 0 where something holds it low
"""

import enum
import struct

REQUEST = struct.Struct("<IIII")
REPLY = struct.Struct("<iI")
PAYLOAD_MAX = 1 << 20
"""More than this in a request is not one of ours."""
NO_KEY = 0xFFFFFFFF
TICKS_MASK = (1 << 30) - 1
ANY = 0xFF
"""Subtype, in FIND."""
RTC_MEMORY_MAX = 2048
"""What MicroPython's esp32 port reserves (MICROPY_HW_RTC_USER_MEM_MAX)."""


class Op(enum.IntEnum):
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


class Cause(enum.IntEnum):
    """``machine.reset_cause()`` of the esp32 port."""

    POWER_ON = 1
    HARD = 2
    WATCHDOG = 3
    DEEPSLEEP = 4
    SOFT = 5


ENOENT = -2
EIO = -5
ESP_FAIL = -1
ESP_ERR_INVALID_ARG = -0x102
ESP_ERR_NOT_FOUND = -0x105
ESP_ERR_OTA_VALIDATE_FAILED = -0x1503
