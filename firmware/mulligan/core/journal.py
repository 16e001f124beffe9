"""The journal: append-only records in two or more flash sectors; the whole record with the highest number is the truth.

A record is written whole into blank flash and only then counts, by its checksum: a cut inside the write leaves the record before
it in force. A full sector is followed by the next in turn, which is erased first; it holds the oldest records, never the one in
force. Attempts are counted by clearing bits of two mark words beside the record, so that counting never erases.
"""

import struct

from .errors import FlashError, FormatError
from .state import MARKS, RECORD, State, decode, encode, length

SECTOR = 4096
_PIECE = 128  # of a record, read back at a time
_MANY = 24  # faults in a record that has room for 32
MAX_STARTS = 16  # starts of one trial for whatever reason, power cuts included: the trial ends then


class Journal:
    """The journal in ``region`` (size, readinto(offset, buf), program(offset, buf), erase(offset)).

    ``state`` is a private copy to change and hand to commit().
    """

    def __init__(self, region):
        self._region = region
        self._check = bytearray(_PIECE)
        self._marks = bytearray(8)
        self.state = State()
        if region.size < 2 * SECTOR:
            raise FormatError("journal: needs two sectors or more")
        self._find()

    def commit(self):
        """Make ``state`` the truth. Raises: FlashError where the flash does not hold what was written; the old one stands."""
        at = self._free()
        record = memoryview(encode(self.state, self._number + 1))
        self._region.program(at, record)  # cut: a torn record, the one before it in force
        for offset in range(0, len(record), _PIECE):
            written = record[offset : offset + _PIECE]
            self._region.readinto(at + offset, self._check)
            if self._check[: len(written)] != written:
                self._find()
                raise FlashError("journal: the record at {} does not read back".format(hex(at)))
        self._at = at
        self._number += 1

    def starts(self):
        """How often the trial of the record in force was started."""
        return self._marked(0)

    def faults(self):
        """How many of these starts ended by the version's own fault."""
        return self._marked(4)

    def mark_start(self):
        self._mark(0)

    def mark_fault(self):
        self._mark(4)

    def forgive(self):
        """Without a trial: what is confirmed runs well, so the faults so far no longer count as failures in a row."""
        if self.faults() > _MANY:
            self.commit()  # cut: the failures as they were, or none
        while self.starts() < self.faults():
            self.mark_start()

    def _find(self):
        self._number, self._at, self.state = 0, None, State()
        for at in range(0, self._region.size, RECORD):
            self._region.readinto(at, self._check)
            try:
                record = bytearray(length(self._check))
                self._region.readinto(at, record)
                number, state = decode(record)
            except FormatError:
                continue
            if number > self._number:
                self._number, self._at, self.state = number, at, state

    def _free(self):
        """The offset of a blank record after the one in force; erases a sector only where none is left in its own."""
        at = self._at if self._at is not None else -RECORD
        while True:
            at = (at + RECORD) % self._region.size
            if at % SECTOR == 0:
                self._region.erase(at)  # cut: the oldest sector is half erased, its records too old to count
                return at
            if self._blank(at):
                return at

    def _blank(self, at):
        for offset in range(0, RECORD, _PIECE):
            self._region.readinto(at + offset, self._check)
            if any(byte != 0xFF for byte in self._check):
                return False
        return True

    def _marked(self, word):
        if self._at is None:
            return 0
        self._region.readinto(self._at + MARKS, self._marks)
        marks = struct.unpack_from("<I", self._marks, word)[0]
        return sum(1 for i in range(32) if not marks >> i & 1)

    def _mark(self, word):
        self._region.readinto(self._at + MARKS, self._marks)
        marks = struct.unpack_from("<I", self._marks, word)[0]
        bit = 0
        while bit < 31 and not marks >> bit & 1:
            bit += 1
        struct.pack_into("<I", self._marks, word, marks & ~(1 << bit) & 0xFFFFFFFF)
        self._region.program(self._at + MARKS, self._marks)
