"""``rfc2217://``: pyserial's, without its rests: 0.2 s for a new timeout, which is none of the other end's business, 50 ms
between looks for an answer, 0.3 s after the end. With them, opening a port and closing it takes 0.8 s."""

import time
import types
import warnings

from serial import rfc2217

_REST_SECONDS = 0.003


def _rest(seconds: float) -> None:
    time.sleep(min(seconds, _REST_SECONDS))


rfc2217.time = types.SimpleNamespace(**{**vars(time), "sleep": _rest})


class Serial(rfc2217.Serial):  # type: ignore[misc] # pyserial has no types
    """A port that negotiates only what is the line's, and keeps pyserial's old-fashioned threads to itself."""

    def open(self) -> None:
        """As pyserial's."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            super().open()

    def close(self) -> None:
        """As pyserial's, which forgets the socket where the other end was first."""
        link = self._socket
        super().close()
        if link is not None:
            link.close()

    @property
    def timeout(self) -> float | None:
        """Seconds that a read waits; None: for ever."""
        seconds: float | None = self._timeout
        return seconds

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self._timeout = seconds
