"""SLIP framing (RFC 1055), as Espressif's loaders speak it: a frame has an END at either side."""

END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD
MAX_FRAME = 0x10000
"""More than this between two ENDs is not a frame of ours: the longest is a block of 0x4000 and its header."""


def encode(data: bytes) -> bytes:
    """Return the frame that holds ``data``."""
    escaped = data.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return b"\xc0" + escaped + b"\xc0"


class Decoder:
    """Takes a stream in pieces of any size. What stands outside of frames, and a frame with a bad escape, is dropped."""

    def __init__(self) -> None:
        self._frame: bytearray | None = None
        self._escaped = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that ``data`` completes."""
        frames = []
        for byte in data:
            if byte == END:
                if self._frame:
                    frames.append(bytes(self._frame))
                    self._frame = None
                else:
                    self._frame = bytearray()  # an END with nothing before it begins a frame: so the line is in step again
                self._escaped = False
            elif self._frame is not None:
                self._put(byte)
        return frames

    def _put(self, byte: int) -> None:
        assert self._frame is not None
        if self._escaped:
            self._escaped = False
            if byte not in (ESC_END, ESC_ESC):
                self._frame = None
                return
            byte = END if byte == ESC_END else ESC
        elif byte == ESC:
            self._escaped = True
            return
        self._frame.append(byte)
        if len(self._frame) > MAX_FRAME:
            self._frame = None
