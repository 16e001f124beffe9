"""Where the tests of the interpreter find models, and the sources they read them through."""

HERE = __file__.rpartition("/")[0] or "."
DATA = HERE + "/data/"
MODELS = HERE + "/../../models/"

LAYERS = (
    "average_pool classifier conv_1x1 conv_long conv_per_tensor conv_relu_n1 conv_same_relu conv_same_s2_none "
    "conv_valid_s2_relu6 dense dense_long dense_per_tensor depthwise_multiplier "
    "depthwise_per_tensor depthwise_s2 depthwise_same depthwise_wide "
    "max_pool softmax softmax_rows"
).split()


def load(path):
    with open(path, "rb") as f:
        return bytearray(f.read())


class FileSource:
    """A file, read in place; a context manager. Counts reads and the longest of them; allocates nothing."""

    def __init__(self, path):
        self._file = open(path, "rb")
        self._file.seek(0, 2)
        self.size = self._file.tell()
        self.reads = 0
        self.longest = 0

    def readinto(self, offset, buf):
        self._file.seek(offset)
        if self._file.readinto(buf) != len(buf):
            raise OSError(5)
        self.reads += 1
        self.longest = max(self.longest, len(buf))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()


class BytesSource:
    """Bytes in memory, as strict as flash: a read out of range is a failure of the test, not of the model."""

    def __init__(self, data):
        self._data = data
        self.size = len(data)

    def readinto(self, offset, buf):
        if not 0 <= offset <= offset + len(buf) <= self.size:
            raise AssertionError("the interpreter read outside the model")
        buf[:] = self._data[offset : offset + len(buf)]


class MappedSource(BytesSource):
    """Bytes that lie in memory, as a romfs file's do, from an odd address on. Counts the reads that nothing should need."""

    def __init__(self, data):
        super().__init__(data)
        self.view = memoryview(b"\0" + data)[1:]
        self.reads = 0

    def readinto(self, offset, buf):
        super().readinto(offset, buf)
        self.reads += 1


class Random:
    """Bits 16 and up of a linear congruential generator, the same everywhere."""

    def __init__(self, seed=1):
        self._state = seed

    def bits(self):
        self._state = (self._state * 1103515245 + 12345) & 0x7FFFFFFF
        return self._state >> 16

    def below(self, n):
        return (self.bits() << 15 | self.bits()) % n

    def between(self, low, high):
        return low + self.below(high - low + 1)

    def fill(self, buf):
        for i in range(len(buf)):
            buf[i] = self.bits() & 255
        return buf
