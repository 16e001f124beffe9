"""The way from the chip to one host, with its faults: a queue, and a thread that empties it as fast as the line is."""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from mulligan_host.virtual.serial.faults import Faults, Noise
from mulligan_host.virtual.serial.line import Line

_QUEUED = 4096  # pieces; a host that reads none of them loses what comes after, as on a UART


class Sender:
    """Sends with ``write(data, from_chip)``, which may block, and raises OSError when the host is gone; then calls ``end``."""

    def __init__(self, line: Line, faults: Faults, write: Callable[[bytes, bool], None], end: Callable[[], None]) -> None:
        self._line = line
        self._faults = faults
        self._noise = Noise(faults, 0), Noise(faults, 1)
        self._write = write
        self._end = end
        self._out: queue.Queue[tuple[float, bytes, bool] | None] = queue.Queue(_QUEUED)
        self._sent = 0
        self._free = 0.0  # when the line will have taken all that was sent so far
        self._thread = threading.Thread(target=self._run, name="serial sender", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send no more, and end the thread."""
        self.purge()
        with suppress(queue.Full):
            self._out.put_nowait(None)
        self._thread.join()

    def from_chip(self, data: bytes) -> None:
        """Send what the chip said: the line's sink."""
        faults = self._faults
        if faults.mute_after is not None and self._line.sent > faults.mute_after:
            return
        self._free = max(self._free, time.monotonic()) + faults.on_line(len(data), self._line.host_baud)
        self._put(self._free + faults.latency_ms / 1000, self._noise[1].spoil(data), True)

    def say(self, data: bytes) -> None:
        """Send what no wire carries: a protocol's own bytes."""
        self._put(0.0, data, False)

    def to_chip(self, data: bytes) -> None:
        """Send what came from the host to the chip; returns when it has arrived."""
        time.sleep(self._faults.on_line(len(data), self._line.host_baud) + self._faults.latency_ms / 1000)
        self._line.from_host(self._noise[0].spoil(data))

    def purge(self) -> None:
        """Forget what the chip said and was not sent yet."""
        kept = []
        with suppress(queue.Empty):
            while True:
                kept.append(self._out.get_nowait())
        for item in kept:
            if item is None or not item[2]:
                self._out.put(item)

    def _put(self, due: float, data: bytes, from_chip: bool) -> None:
        with suppress(queue.Full):
            self._out.put_nowait((due, data, from_chip))

    def _run(self) -> None:
        dies_after = self._faults.dies_after
        with suppress(OSError):
            while (item := self._out.get()) is not None:
                due, data, from_chip = item
                time.sleep(max(0.0, due - time.monotonic()))
                if from_chip:
                    data = data if dies_after is None else data[: dies_after - self._sent]
                    self._sent += len(data)
                self._write(data, from_chip)
                if dies_after is not None and self._sent >= dies_after:
                    break
        self._end()
