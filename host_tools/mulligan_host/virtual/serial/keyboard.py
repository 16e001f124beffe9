"""What a host types at a running program: characters for its standard input, and Ctrl-C, which interrupts it."""

import re
import time

from mulligan_host.virtual import protocol
from mulligan_host.virtual.child import Child
from mulligan_host.virtual.protocol import Op
from mulligan_host.virtual.serial.line import Line

_BARE_NEWLINE = re.compile(rb"(?<!\r)\n")
# Without a request for so long a program is not inside of littlefs: in its own time, as other processes may keep it waiting
# there, or, if it is asleep, in everybody's.
_BUSY_SECONDS = 0.02
_IDLE_SECONDS = 0.5
_NEVER = (Op.READ, Op.PROGRAM, Op.ERASE, Op.KBD)
_CTRL_C = 3


class Keyboard:
    """Stands between the serial line and one program: UART and console driver of the chip.

    On the chip Ctrl-C interrupts between two bytecodes, and never in littlefs, which is C. Here littlefs calls Python for each
    access to the flash, and an exception there would leave it in the middle. So the moment is the reply to a request that is
    not for the flash (start.py makes one before each file operation), or else some time without any request.
    """

    def __init__(self, child: Child, line: Line) -> None:
        self._child = child
        self._line = line
        self._booting = True  # no program has said what interrupts it: Ctrl-C waits until one does
        self._key = _CTRL_C  # which character interrupts
        self._cooked = True
        self._typed = False  # whether there is an interrupt that is not done yet
        self._since = self._worked = 0.0  # when it was typed, or a request made after that; and how long the program had worked

    def typed(self, data: bytes) -> None:
        """Hand over what came from the host."""
        if self._key < 0x100:
            plain = data.replace(bytes((self._key,)), b"")
            if len(plain) < len(data) and not self._typed:
                self._typed = True
                self._start()
            data = plain
        self._child.type(data)

    def printed(self, data: bytes) -> None:
        """Send what the program wrote to the host."""
        self._line.send(_BARE_NEWLINE.sub(b"\r\n", data) if self._cooked else data)

    def set_key(self, key: int, cooked: int) -> tuple[int, bytes]:
        """Answer the program's request KBD."""
        self._key, self._cooked = key, bool(cooked)
        if key != protocol.NO_KEY:
            self._booting = False
        elif self._booting:
            self._key = _CTRL_C
        else:
            self._typed = False  # nothing runs that it could interrupt
        return 1, b""

    def interrupts(self, op: int) -> bool:
        """Whether the reply to request ``op`` is to interrupt the program."""
        if not self._pending:
            return False
        self._start()
        if op in _NEVER:
            return False
        self._typed = False
        return True

    def timeout(self, most: float) -> float:
        """How long to wait for something else, ``most`` seconds at most."""
        return min(most, _BUSY_SECONDS) if self._pending else most

    def tick(self) -> None:
        """Interrupt the program if it is time, and it makes no requests that could be answered so."""
        if not self._pending:
            return
        busy = self._child.worked() - self._worked >= _BUSY_SECONDS
        idle = time.monotonic() - self._since >= _IDLE_SECONDS and self._child.asleep()
        if (busy or idle) and self._child.interrupt():
            self._typed = False

    @property
    def _pending(self) -> bool:
        return self._typed and not self._booting

    def _start(self) -> None:
        self._since = time.monotonic()
        self._worked = self._child.worked()
