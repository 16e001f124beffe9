"""Models and images in memory, read as the device reads its flash."""

from pathlib import Path

from mulligan.core import slot
from mulligan.core.errors import FormatError, ModelError
from mulligan.tflite import interpreter, loader
from mulligan_host import files
from mulligan_host.errors import HostError


class ByteSource:
    """Bytes in memory as the interpreter and the decoders read flash; ``most``: the most that is read at a time.

    reads, bytes_read: what was asked of it since it was made, or since they were set to 0.
    """

    def __init__(self, data: bytes, most: int | None = None) -> None:
        self._data = data
        self._most = most
        self.size = len(data)
        self.reads = 0
        self.bytes_read = 0

    def readinto(self, offset: int, buf: memoryview | bytearray) -> None:
        """Fill all of ``buf`` from ``offset`` on. Raises: HostError outside of the data."""
        size = len(buf)
        if offset < 0 or offset + size > self.size:
            raise HostError(f"read of {size} bytes at {offset} is outside of {self.size}")
        self.reads += -(-size // self._most) if self._most else 1
        self.bytes_read += size
        buf[:] = self._data[offset : offset + size]


def model_of(data: bytes) -> bytes:
    """Return the .tflite in a slot image; anything else as it is. Raises: FormatError."""
    if not data.startswith(slot.MAGIC):
        return data
    header = slot.parse(data, len(data))
    return data[header.model_at : header.model_at + header.model_size]


def read_model(path: Path) -> tuple[bytes, interpreter.Info]:
    """Return the .tflite in ``path``, or in the slot image there, and what it asks for.

    Raises: ModelError, Unsupported, FormatError, each naming ``path``; OSError.
    """
    data = files.read(path)
    try:
        model = model_of(data)
        return model, loader.inspect(ByteSource(model))
    except (FormatError, ModelError) as e:
        raise type(e)(f"{path}: {e}") from e
