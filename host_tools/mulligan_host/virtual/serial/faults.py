"""What can be wrong with a serial line: slow, noisy, dead after some bytes, or with nobody at the other end any more."""

import random
from dataclasses import dataclass

_BITS_PER_BYTE = 10  # start, eight, stop


@dataclass(frozen=True)
class Faults:
    """Which faults a line has; none if nothing is given."""

    drop: float = 0.0
    """The share of bytes that get lost, each way."""
    flip: float = 0.0
    """The share of bytes of which a bit arrives wrong, each way."""
    seed: int = 0
    """Which bytes those are."""
    latency_ms: float = 0.0
    """What a byte takes from one end to the other, each way."""
    paced: bool = False
    """Whether bytes take the time that they take at the host's baud rate."""
    dies_after: int | None = None
    """The connection ends when the chip has sent so many bytes; the next connection ends at once."""
    mute_after: int | None = None
    """When the chip has sent so many bytes it says no more, until it is reset."""

    def on_line(self, size: int, baud: int | None) -> float:
        """Return the seconds that ``size`` bytes take to be sent."""
        return size * _BITS_PER_BYTE / baud if self.paced and baud else 0.0


NONE = Faults()


class Noise:
    """Loses and spoils bytes in one direction, the same ones each time."""

    def __init__(self, faults: Faults, direction: int) -> None:
        self._faults = faults
        self._random = random.Random(faults.seed * 2 + direction)  # noqa: S311 - noise need not be secret

    def spoil(self, data: bytes) -> bytes:
        """Return what arrives of ``data``."""
        drop, flip = self._faults.drop, self._faults.flip
        if not drop and not flip:
            return data
        out = bytearray()
        for byte in data:
            if self._random.random() >= drop:
                out.append(byte ^ 1 << self._random.randrange(8) if self._random.random() < flip else byte)
        return bytes(out)
