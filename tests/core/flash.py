"""NOR flash in memory for tests: programming clears bits, erasing sets a sector; it can end in the middle of an operation."""

SECTOR = 4096


class Cut(Exception):
    """The power went: at operation ``cut_at``, after the share ``keep`` of it."""


class Region:
    """Part of ``flash``, which counts its operations."""

    encrypted = False
    lie = False  # nothing that is written arrives

    def __init__(self, flash, sectors):
        self.flash = flash
        self.size = sectors * SECTOR
        self.data = bytearray(b"\xff" * self.size)

    def readinto(self, at, buf):
        assert 0 <= at <= at + len(buf) <= self.size
        buf[:] = self.data[at : at + len(buf)]

    def program(self, at, buf):
        for i in range(0 if self.lie else self.flash.begin(len(buf))):
            assert self.data[at + i] & buf[i] == buf[i], "programmed a bit that was not erased"
            self.data[at + i] = buf[i]
        self.flash.end()

    def erase(self, at):
        self.flash.erases += 1
        for i in range(0 if self.lie else self.flash.begin(SECTOR)):
            self.data[at + i] = 0xFF
        self.flash.end()


class Flash(Region):
    """A region that is the flash as well; more regions of the same flash are Region(flash, sectors)."""

    def __init__(self, sectors):
        super().__init__(self, sectors)
        self.operations = self.erases = 0
        self.cut_at = self.keep = None

    def begin(self, length):
        """How many bytes of an operation on ``length`` are done."""
        self.operations += 1
        return int(length * self.keep) if self.operations == self.cut_at else length

    def end(self):
        if self.operations == self.cut_at:
            raise Cut
