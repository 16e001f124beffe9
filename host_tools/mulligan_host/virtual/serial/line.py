"""The wire between a host and the chip's UART: bytes each way, DTR and RTS as an auto-reset circuit makes EN and GPIO0 of them.

Threads of the host's side write; the board's thread selects on ``fileno``, then calls ``take``.
"""

import os
import threading
from collections.abc import Callable

RUN_BAUD = 115200
"""What a program's UART runs at (MicroPython's default); the ROM takes whatever the host speaks."""
_TOLERANCE = 0.04  # two UARTs understand each other if they are no further apart than this
_UART_BUFFER = 1 << 16

Sink = Callable[[bytes], None]


class Line:
    """Connected to at most one host at a time. Without one, what the chip sends is lost.

    The circuit is that of every Espressif kit: EN is low while RTS alone is asserted, GPIO0 while DTR alone is. Both together
    leave EN as it is: on the kit its capacitor outlasts the moment between two single changes. With ``usb`` it is the chip's
    own USB port, which has no GPIO0: DTR alone sets a flag, neither clears it, and RTS alone resets by the flag (ESP32-S3 TRM,
    USB Serial/JTAG Controller). ``download``: a hand holds GPIO0 down whenever the power comes.
    """

    def __init__(self, *, usb: bool = False, download: bool = False) -> None:
        self._usb = usb
        self._lock = threading.Lock()
        self._signal, self._wake = os.pipe()
        self._signalled = False
        self._received = bytearray()
        self._sink: Sink | None = None
        self._dtr = self._rts = False
        self._low = False  # EN
        self._strap = False  # GPIO0 is low, or the flag is set
        self._latched = False  # the flag, when EN fell
        self._by_hand = self._boots_download = download
        self._fell = False  # EN has, since the last take
        self.host_baud: int | None = None
        """What the host's end runs at; None where that is not known, and all is understood."""
        self.chip_baud: int | None = RUN_BAUD
        """What the chip's end runs at; None while it measures the host's."""
        self.sent = 0
        """Bytes that the chip has sent since its last reset by EN."""

    def close(self) -> None:
        """Let go of what the system lent."""
        os.close(self._signal)
        os.close(self._wake)

    # The host's end

    def connect(self, sink: Sink, baud: int | None = None) -> bool:
        """Let ``sink`` have what the chip sends; False if another host is connected. It is called on the board's thread."""
        with self._lock:
            if self._sink is not None:
                return False
            self._sink = sink
            self.host_baud = baud
            return True

    def disconnect(self) -> None:
        """Pull the plug: both control lines go idle."""
        with self._lock:
            self._sink = None
        self.control(dtr=False, rts=False)

    def from_host(self, data: bytes) -> None:
        """Send ``data`` to the chip, which takes noise for it where the baud rates differ."""
        with self._lock:
            if not self._low and len(self._received) < _UART_BUFFER:
                self._received += self._understood(data)
                self._ring()

    def control(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """Assert or release DTR and RTS; None leaves one as it is."""
        with self._lock:
            self._dtr = self._dtr if dtr is None else dtr
            self._rts = self._rts if rts is None else rts
            if self._dtr and self._rts:
                self._strap = self._strap and self._usb
                return
            if self._rts and not self._low:
                self._fell = True
                self._latched = self._strap
                self._received.clear()
            if not self._usb or not self._rts:
                self._strap = self._dtr
            if self._low and not self._rts:
                self._boots_download = self._latched if self._usb else self._strap
            self._low = self._rts
            self._ring()

    # The chip's end

    def fileno(self) -> int:
        """A descriptor that is readable when ``take`` has something to say."""
        return self._signal

    def take(self) -> tuple[bytes, bool]:
        """Return what was received since, and whether EN has been low since."""
        with self._lock:
            if self._signalled:
                os.read(self._signal, 1)
                self._signalled = False
            received, fell = bytes(self._received), self._fell
            self._received.clear()
            self._fell = False
            if fell:
                self.sent = 0
            return received, fell

    def power_up(self) -> None:
        """The chip has power from now on: GPIO0 is looked at, and what came before is lost."""
        self.take()
        self._boots_download = self._by_hand or self._strap

    @property
    def held(self) -> bool:
        """Whether EN is low: the chip is in reset."""
        return self._low

    @property
    def download(self) -> bool:
        """Whether GPIO0 said, when the chip got power or left reset by EN, to wait for a download."""
        return self._boots_download

    def send(self, data: bytes) -> None:
        """Send ``data`` to the host, if there is one."""
        with self._lock:
            self.sent += len(data)
            if self._sink is not None and data:
                self._sink(self._understood(data))

    def _understood(self, data: bytes) -> bytes:
        if self.host_baud is None or self.chip_baud is None:
            return data
        if abs(self.host_baud - self.chip_baud) <= _TOLERANCE * self.chip_baud:
            return data
        return bytes(byte * 0x6D & 0x7F | 0x80 for byte in data[::2])  # fewer bytes, and none as it was: no protocol survives

    def _ring(self) -> None:
        if not self._signalled:
            self._signalled = True
            os.write(self._wake, b"!")
