"""The journal: append-only records in two or more flash sectors; the whole record with the highest number is the truth.

A record is written whole into blank flash and only then counts, by its checksum: a cut inside the write leaves the record before
it in force. A full sector is followed by the next in turn, which is erased first; it holds the oldest records, never the one in
force. A sector that doesn't take a record is passed over. Attempts are counted by bytes of marks beside the record, so that
counting never erases; where the partition is encrypted, which lets nothing be programmed twice, by a record each.
"""

from .errors import FlashError, FormatError
from .state import FAULTS, MARKS, RECORD, STARTS, WAKES, State, decode, encode, length

SECTOR = 4096
_PIECE = 128  # of a record, read back at a time
_MANY = 24  # faults without a trial, before a new record takes them to 0
_ALIGN = 16  # bytes: what an encrypted partition is written in
_START = 0x7F  # a mark: its first bit, and of a start further ones for what has passed of the deadline, the last for a wake
MAX_STARTS = 16  # starts of one trial for whatever reason, power cuts included: the trial ends then


class Journal:
    """The journal in ``region`` (size, encrypted, readinto(offset, buf), program(offset, buf), erase(offset)).

    ``state`` is a private copy to change and hand to commit(). ``report("worn", sector=…)`` is told of a sector that failed.
    What raises FlashError has left the flash as it was, and ``state`` says what that holds, but for a trial: what can't be
    counted is not tried. ``lost``: memory ran out, so that only find() can tell what the flash holds.
    """

    def __init__(self, region, report=None):
        self._region = region
        self._report = report
        self._check = bytearray(_PIECE)
        self._bad = []  # sectors that failed since the boot
        self.state = State()
        if region.size < 2 * SECTOR:
            raise FormatError("journal: needs two sectors or more")
        self.find()

    def commit(self):
        """Make ``state`` the truth. Raises: FlashError where no sector takes it; the old one stands."""
        try:
            tried = _tried(self.state)
            if tried and tried == self._tried:
                self._append(self._worth(), self.faults(), self.spent())
            else:
                self._append(0, 0, 0)
        except MemoryError:
            self.lost = True
            self.find()
            raise

    def starts(self):
        """How often the trial of the record in force was started. WAKES from deep sleep are one start."""
        return self._worth() // WAKES

    def faults(self):
        """How many of these starts ended by the version's own fault."""
        return self._faults + len(self._marks(MARKS + STARTS, FAULTS))

    def spent(self):
        """How many PARTS of the deadline passed since the last start that did not come from a sleep."""
        marks = self._marks(MARKS, STARTS)
        return max(0, bin((marks[-1] | 1) ^ 0xFF).count("1") - 1) if marks else self._spent

    def mark_start(self, wake=False):
        """Count a start; wake: from deep sleep, which goes on with the deadline. Raises: FlashError where it can't be counted."""
        spent = self.spent() if wake else 0
        worth = self._worth() + (1 if wake else WAKES)
        if not self._mark(MARKS, STARTS, _START >> spent & ~wake):
            self._append(worth, self.faults(), spent)

    def mark_spent(self):
        """Count a part of the deadline, PARTS - 1 of them at most, with the last start. Raises: FlashError as above."""
        marks = self._marks(MARKS, STARTS)
        if marks:
            mark = marks[-1] & (marks[-1] >> 1 | 1)
            self._region.program(self._at + MARKS + len(marks) - 1, bytes([mark]))  # cut: a power-on begins a new deadline
        else:
            self._append(self._worth(), self.faults(), self.spent() + 1)

    def mark_fault(self):
        """Count a fault. Raises: FlashError where it can't be counted."""
        faults = self.faults() + 1
        if not self._mark(MARKS + STARTS, FAULTS, _START):
            self._append(self._worth(), faults, self.spent())

    def forgive(self):
        """Without a trial: what is confirmed runs well, so the faults so far no longer count as failures in a row."""
        if self.faults() > _MANY:
            self.commit()  # cut: the failures as they were, or none
        while self.starts() < self.faults():
            self.mark_start()

    def find(self):
        """Have ``state`` be what the flash says."""
        latest, place, truth = 0, None, State()
        for at in range(0, self._region.size, RECORD):
            try:
                self._region.readinto(at, self._check)
                record = bytearray(length(self._check))
                self._region.readinto(at, record)
                number, state = decode(record)
            except (FormatError, FlashError):
                continue
            if number > latest:
                latest, place, truth = number, at, state
        self._number, self._at, self.state = latest, place, truth
        self._settle()
        self.lost = False

    def _settle(self):
        """What the record in force says of its trial, beside which ``state`` may change."""
        state = self.state
        self._starts, self._faults, self._spent, self._tried = state.starts, state.faults, state.spent, _tried(state)

    def _append(self, worth, faults, spent):
        self.state.starts, self.state.faults, self.state.spent = worth, faults, spent
        number = self._number
        at = -RECORD if self._at is None else self._at
        step = SECTOR if self._region.encrypted else RECORD  # there, what was never programmed does not read as blank
        for _ in range(self._region.size // step):
            at = (at // step * step + step) % self._region.size
            if at % SECTOR == 0 and self._at is not None and at == self._at // SECTOR * SECTOR:
                break  # round once: what is left is the sector of the record in force
            if at // SECTOR in self._bad:
                continue
            number += 1  # a number is used once, whatever became of the write
            try:
                if not self._blank(at):
                    continue
                if self._write(at, encode(self.state, number)):
                    self._at, self._number = at, number
                    self._settle()
                    return
            except FlashError:
                pass
            self._worn(at)
        self.find()
        self._number = number
        self._bad = []  # the next commit tries them all again
        for entry in self.state.entries:
            entry.trial = None
        raise FlashError("journal: no sector takes a record")

    def _blank(self, at):
        """Whether a record can go to ``at``. The first place of a sector is made blank, with the whole sector."""
        end = at + RECORD
        if at % SECTOR == 0:
            self._region.erase(at)  # cut: the oldest sector is half erased, its records too old to count
            if self._region.encrypted:
                return True
            end = at + SECTOR
        for offset in range(at, end, _PIECE):
            self._region.readinto(offset, self._check)
            if any(byte != 0xFF for byte in self._check):
                if at % SECTOR == 0:
                    self._worn(at)  # erased, and yet not blank
                return False
        return True

    def _write(self, at, record):
        """Whether the record reads back: that and no more, as whoever can read it will take it for true."""
        record = memoryview(record)
        self._region.program(at, bytes(record) + b"\xff" * (-len(record) % _ALIGN))  # cut: a torn record, the old one in force
        for offset in range(0, len(record), _PIECE):
            written = record[offset : offset + _PIECE]
            self._region.readinto(at + offset, self._check)
            if self._check[: len(written)] != written:
                return False
        return True

    def _worn(self, at):
        """The sector is left alone until the next boot."""
        if at // SECTOR not in self._bad:
            self._bad.append(at // SECTOR)
            if self._report:
                self._report("worn", sector=at // SECTOR)

    def _worth(self):
        """The starts, in WAKES."""
        return self._starts + sum([WAKES if mark & 1 else 1 for mark in self._marks(MARKS, STARTS)])

    def _marks(self, at, most):
        if self._at is None or self._region.encrypted:
            return b""
        marks = bytearray(most)
        self._region.readinto(self._at + at, marks)
        return bytes([mark for mark in marks if mark != 0xFF])

    def _mark(self, at, most, mark):
        """Whether one more mark is there. A mark is a byte, programmed alone: torn, it is made or not, and no other is."""
        made = len(self._marks(at, most))
        if self._at is None or self._region.encrypted or made == most:
            return False
        try:
            self._region.program(self._at + at + made, bytes([mark]))  # cut: counted or not
            if self._marks(at, most)[made:] == bytes([mark]):
                return True
        except FlashError:
            pass
        self._worn(self._at)
        return False


def _tried(state):
    """What is on trial: by its digests, as the marks are counted for it."""
    return [entry.trial.image.sha256 for entry in state.entries if entry.trial]
