"""Flash as policy code sees it: regions over esp32.Partition."""

from ..core.errors import FlashError

SECTOR = 4096


class Region:
    """A partition: ``size``, ``label`` and ``encrypted``; offsets and lengths in bytes.

    Each method raises FlashError where the flash refuses, and for a range outside of the partition.
    """

    def __init__(self, partition):
        self._partition = partition
        _, _, _, self.size, self.label, self.encrypted = partition.info()

    def readinto(self, offset, buf):
        """Fill ``buf`` from ``offset`` on."""
        self._check(offset, len(buf))
        try:
            self._partition.readblocks(offset // SECTOR, buf, offset % SECTOR)
        except OSError as e:
            self._fail("read", offset, e)

    def program(self, offset, buf):
        """Write ``buf`` into flash that was erased before: bits only go from 1 to 0."""
        self._check(offset, len(buf))
        try:
            self._partition.writeblocks(offset // SECTOR, buf, offset % SECTOR)
        except OSError as e:
            self._fail("write", offset, e)

    def erase(self, offset):
        """Erase the sector at ``offset``."""
        self._check(offset, SECTOR)
        try:
            self._partition.ioctl(6, offset // SECTOR)
        except OSError as e:
            self._fail("erase", offset, e)

    def _check(self, offset, length):
        if offset < 0 or offset + length > self.size:
            raise FlashError("{}: {} bytes at {} are outside of the partition".format(self.label, length, hex(offset)))

    def _fail(self, what, offset, error):
        raise FlashError("{}: {} at {} failed: {}".format(self.label, what, hex(offset), error))
