from common import raises, rules
from core.flash import Cut, Flash
from mulligan.core.errors import FlashError, FormatError
from mulligan.core.journal import Journal
from mulligan.core.state import MARKS, MAX_ENTRIES, MAX_FROZEN, PARTS, WAKES, Entry, Image, Sealed, State, decode, encode, length


def image(counter):
    requires = {"firmware": "1.25.{}".format(counter)}
    return Image(1000 + counter, counter, "1.0.{}".format(counter), bytes([counter % 256]) * 32, requires, 0)


def step(journal, counter):
    """One update: trial, confirm."""
    state = journal.state
    if not state.entries:
        state.entries.append(Entry("model", "digits", 0))
    state.entries[0].begin(image(counter), counter, rules())
    journal.commit()
    journal.mark_start()
    state.entries[0].confirm()
    state.sequence = counter
    journal.commit()


def test_a_record_holds_everything():
    state = State()
    state.sequence, state.time, state.order, state.keys = 7, 1750000000, 3, Sealed(1, 2000, b"k" * 32)
    state.rest, state.linked = 1023, True
    for pair in range(MAX_ENTRIES):
        entry = Entry("model", "m" * 14 + str(pair), pair)
        entry.slot, entry.image, entry.floor, entry.hard_floor = pair & 1, image(pair), 9, pair
        entry.frozen = [bytes([i]) * 8 for i in range(min(pair, MAX_FROZEN))]
        entry.spare = image(100 + pair) if pair & 2 else None
        state.entries.append(entry)
    state.entries[1].begin(image(200), 8, rules(3, 1, 2, 4, 5, heap=7, shadow_runs=9), 6)
    record = encode(state, 12)
    assert len(record) == length(record) <= MARKS
    number, copy = decode(record)
    assert number == 12 and copy.keys == state.keys
    assert (copy.sequence, copy.time, copy.order, copy.rest, copy.linked) == (7, 1750000000, 3, 1023, True)
    for a, b in zip(state.entries, copy.entries):
        for key in ("plane", "name", "pair", "floor", "hard_floor", "slot", "image", "trial", "spare", "frozen"):
            assert getattr(a, key) == getattr(b, key), key
    assert [e.name for e in copy.on_trial()] == [state.entries[1].name]
    for at in range(0, len(record), 5):
        torn = bytearray(record)
        torn[at] ^= 1
        raises(FormatError, decode, torn)
    raises(FormatError, decode, record[:-1])
    raises(FormatError, decode, record + b"\xff")
    state.entries.append(Entry("model", "x", 9))
    raises(FormatError, encode, state, 1)


def test_the_last_record_survives_many_updates_and_its_wear_is_stated():
    flash = Flash(4)
    for counter in range(1, 60):
        step(Journal(flash), counter)
        state = Journal(flash).state
        assert state.sequence == counter and state.entries[0].image == image(counter)
        assert state.entries[0].slot == (counter - 1) & 1
    # Two records an update, two a sector: an erase every update, spread over all sectors.
    assert flash.erases == 59, flash.erases
    before = flash.operations
    Journal(flash)
    assert flash.operations == before  # a normal boot writes nothing


def test_a_cut_anywhere_leaves_the_old_record_or_the_new():
    probe = Flash(2)
    for counter in range(1, 6):
        step(Journal(probe), counter)
    total = probe.operations
    cuts = 0
    for cut_at in range(1, total + 1):
        for keep in (0, 0.01, 0.3, 0.5, 0.99, 1):
            flash = Flash(2)
            flash.cut_at, flash.keep = cut_at, keep
            done = 0
            try:
                for counter in range(1, 6):
                    step(Journal(flash), counter)
                    done = counter
            except Cut:
                cuts += 1
            flash.cut_at = None
            journal = Journal(flash)
            entry = journal.state.entries[0] if journal.state.entries else None
            held = entry.image.counter if entry and entry.image else 0
            assert held in (done, done + 1), (cut_at, keep, held, done)
            if entry and entry.trial:
                assert entry.trial.image.counter == held + 1
            step(journal, 9)
            assert Journal(flash).state.entries[0].image == image(9)
    assert cuts == total * 6


def test_attempts_are_counted_without_an_erase():
    flash = Flash(2)
    step(Journal(flash), 1)
    erases = flash.erases
    for n in range(1, 5):
        journal = Journal(flash)
        journal.mark_start()
        assert (journal.starts(), journal.faults()) == (n, n - 1)
        Journal(flash).mark_fault()
        assert (journal.starts(), journal.faults()) == (n, n)
    assert flash.erases == erases


def begun(journal, counter):
    """A trial in force."""
    if not journal.state.entries:
        journal.state.entries.append(Entry("model", "digits", 0))
    journal.state.entries[0].begin(image(counter), counter, rules())
    journal.commit()


def test_counts_that_outgrow_the_marks_go_into_a_record():
    flash = Flash(2)
    journal = Journal(flash)
    begun(journal, 1)
    for n in range(1, 41):
        journal.mark_start()
        if n <= 20:
            journal.mark_fault()
        assert (journal.starts(), journal.faults()) == (Journal(flash).starts(), Journal(flash).faults()) == (n, min(n, 20))


def test_a_commit_beside_a_trial_keeps_its_counts():
    flash = Flash(2)
    journal = Journal(flash)
    begun(journal, 1)
    journal.mark_start()
    journal.mark_fault()
    journal.state.sequence = 9
    journal.commit()
    assert (Journal(flash).starts(), Journal(flash).faults()) == (1, 1)
    begun(journal, 2)
    assert (Journal(flash).starts(), Journal(flash).faults()) == (0, 0)


def test_a_torn_mark_is_made_or_not_and_no_other_is():
    for filled, starts in ((0xFF, 1), (0x7F, 2), (0x5B, 2), (0x00, 1), (0x5A, 1)):  # the last two as wakes
        flash = Flash(2)
        journal = Journal(flash)
        begun(journal, 1)
        journal.mark_start()
        flash.data[MARKS + 1] &= filled  # the second start, torn
        assert (Journal(flash).starts(), Journal(flash).faults()) == (starts, 0)
        assert 0 <= Journal(flash).spent() < PARTS


class Encrypted(Flash):
    """What is not programmed does not read as FF, and a place takes one program between two erases, 16 bytes and more."""

    encrypted = True

    def __init__(self, sectors):
        super().__init__(sectors)
        self.written = set()
        self.erases = sectors
        self.scramble(0, self.size)

    def scramble(self, at, size):
        for i in range(at, at + size):
            self.data[i] = (i * 37 + self.erases * 11) & 0xFF

    def program(self, at, buf):
        assert at % 16 == 0 and len(buf) % 16 == 0 and not self.written & set(range(at, at + len(buf)))
        self.written |= set(range(at, at + len(buf)))
        self.data[at : at + len(buf)] = buf

    def erase(self, at):
        self.erases += 1
        self.written -= set(range(at, at + 4096))
        self.scramble(at, 4096)


def test_an_encrypted_partition_gets_a_record_for_each_count():
    flash = Encrypted(4)
    journal = Journal(flash)
    for counter in range(1, 9):
        begun(journal, counter)
        for n in range(1, 4):
            Journal(flash).mark_start()
            Journal(flash).mark_fault()
            journal = Journal(flash)
            assert (journal.starts(), journal.faults()) == (n, n)
        journal.state.entries[0].confirm()
        journal.commit()
        assert Journal(flash).state.entries[0].image == image(counter)


def test_what_has_passed_of_the_deadline_is_kept_with_the_last_start():
    """In the bits of its mark, or in records where the partition is encrypted; a fault, and a start from no sleep, begin anew."""
    for flash in (Flash(4), Encrypted(4)):
        journal = Journal(flash)
        begun(journal, 1)
        assert journal.spent() == 0
        journal.mark_start()
        for n in range(1, PARTS):
            Journal(flash).mark_spent()
            journal = Journal(flash)
            assert (journal.spent(), journal.starts(), journal.faults()) == (n, 1, 0)
        journal.mark_start(True)
        journal.commit()  # of the same trial: as for a root that came in between
        journal = Journal(flash)
        assert (journal.spent(), journal.starts()) == (PARTS - 1, 1)
        journal.mark_fault()
        journal.mark_start()
        journal = Journal(flash)
        assert (journal.spent(), journal.starts(), journal.faults()) == (0, 2, 1)
        journal.state.entries[0].confirm()
        journal.commit()
        assert Journal(flash).spent() == 0


def test_wakes_from_deep_sleep_are_as_one_start_by_the_sixteen():
    for flash in (Flash(4), Encrypted(4)):
        begun(Journal(flash), 1)
        Journal(flash).mark_start()
        Journal(flash).mark_spent()
        erased = getattr(flash, "erases", 0)
        for n in range(1, 50):
            Journal(flash).mark_start(True)
            assert (Journal(flash).starts(), Journal(flash).spent(), Journal(flash).faults()) == (1 + n // WAKES, 1, 0)
        assert flash.encrypted or flash.erases - erased <= 2
        Journal(flash).mark_start()
        assert (Journal(flash).starts(), Journal(flash).spent()) == (5, 0)


def test_memory_that_runs_out_at_a_commit_leaves_what_the_flash_says():
    flash = Flash(2)
    journal = Journal(flash)
    begun(journal, 1)
    program = flash.program

    def short(at, buf):
        raise MemoryError

    flash.program = short
    journal.state.entries[0].confirm()
    raises(MemoryError, journal.commit)
    flash.program = program
    assert journal.state.on_trial() and Journal(flash).state.on_trial()
    journal.state.entries[0].confirm()
    journal.commit()
    assert not Journal(flash).state.on_trial()


class Worn(Flash):
    """``dead``: {sector: what happens to it}, "refuses", "lies", or "flips" a bit of what is programmed."""

    def __init__(self, sectors, **dead):
        super().__init__(sectors)
        self.dead = {int(name[1:]): how for name, how in dead.items()}

    def program(self, at, buf):
        if not self.fails(at):
            if self.dead.get(at // 4096) == "flips":
                buf = bytes(buf[:-1]) + bytes([buf[-1] & buf[-1] - 1])
            super().program(at, buf)

    def erase(self, at):
        if not self.fails(at):
            super().erase(at)

    def fails(self, at):
        how = self.dead.get(at // 4096)
        if how == "refuses":
            raise FlashError("EIO")
        return how == "lies"


def test_a_dead_sector_is_passed_over_and_reported():
    for how in ("refuses", "lies"):
        for dead in range(4):
            flash = Worn(4)
            sectors = set()
            step(Journal(flash), 1)
            flash.dead[dead] = how
            for counter in range(2, 12):
                journal = Journal(flash, lambda event, sector, seen=sectors: seen.add((event, sector)))
                step(journal, counter)
                state = Journal(flash).state
                assert state.sequence == counter and state.entries[0].image == image(counter), (how, dead)
            assert sectors == {("worn", dead)}, (how, dead, sectors)


def test_two_live_sectors_are_enough_and_one_keeps_the_record_in_force():
    flash = Worn(4)
    step(Journal(flash), 1)
    flash.dead = {1: "refuses", 3: "lies"}
    for counter in range(2, 9):
        step(Journal(flash), counter)
        assert Journal(flash).state.entries[0].image == image(counter)
    flash.dead = dict.fromkeys(range(4), "refuses")
    journal = Journal(flash)
    before = bytes(flash.data)
    journal.state.sequence = 99
    raises(FlashError, journal.commit)
    raises(FlashError, journal.commit)
    assert bytes(flash.data) == before and journal.state.sequence == 8
    flash.dead = {}
    step(journal, 10)  # a fault that goes away is forgotten
    assert Journal(flash).state.entries[0].image == image(10)


def test_a_mark_that_does_not_take_becomes_a_record():
    for how in ("refuses", "lies", "flips"):
        flash = Worn(4)
        journal = Journal(flash)
        begun(journal, 1)
        journal.mark_start()
        flash.dead[0] = how
        for n in range(2, 5):
            journal = Journal(flash)
            journal.mark_start()
            journal.mark_fault()
            assert (Journal(flash).starts(), Journal(flash).faults()) == (n, n - 1), how
        flash.dead = dict.fromkeys(range(4), how)
        journal = Journal(flash)
        if how != "flips":  # the last bit of a record may be 0 anyway
            raises(FlashError, journal.mark_start)
            assert not journal.state.on_trial() and Journal(flash).state.on_trial()  # what can't be counted is not tried


def test_a_sector_that_can_not_be_read_holds_no_record():
    class Unreadable(Flash):
        dead = None

        def readinto(self, at, buf):
            if at // 4096 == self.dead:
                raise FlashError("EIO")
            super().readinto(at, buf)

    flash = Unreadable(2)
    for counter in range(1, 4):
        step(Journal(flash), counter)
    number = Journal(flash).state.sequence
    flash.dead = 0
    assert Journal(flash).state.sequence in (number, number - 1)
    flash.dead = 1
    assert Journal(flash).state.sequence in (number, number - 1)


def test_marks_belong_to_one_record():
    flash = Flash(2)
    journal = Journal(flash)
    step(journal, 1)
    journal.mark_fault()
    step(journal, 2)
    assert journal.starts() == journal.faults() == 0


def test_flash_that_lies_is_found_and_the_old_record_stands():
    flash = Flash(2)
    journal = Journal(flash)
    step(journal, 1)
    flash.lie = True
    journal.state.sequence = 99
    raises(FlashError, journal.commit)
    assert journal.state.sequence == 1
    flash.lie = False
    step(journal, 2)
    assert Journal(flash).state.sequence == 2


def test_frozen_versions_are_a_short_list():
    entry = Entry("model", "digits", 0)
    for counter in range(MAX_FROZEN + 3):
        entry.begin(image(counter), 1, rules(1, 1, 1, 1, 1))
        entry.roll_back(True)
        assert entry.is_frozen(image(counter).sha256) and len(entry.frozen) <= MAX_FROZEN
    entry.begin(image(99), 1, rules(1, 1, 1, 1, 1))
    entry.roll_back(False)
    assert not entry.is_frozen(image(99).sha256) and entry.trial is None


def test_a_hard_floor_rises_with_the_confirm():
    entry = Entry("model", "digits", 0)
    for counter, hard, expected in ((5, 0, 0), (6, 4, 4), (7, 2, 4), (8, 8, 8)):
        entry.begin(image(counter), 1, rules(1, 1, 1, 1, 1), hard)
        before = entry.hard_floor
        entry.roll_back(False)
        assert entry.hard_floor == before
        entry.begin(image(counter), 1, rules(1, 1, 1, 1, 1), hard)
        entry.confirm()
        assert (entry.floor, entry.hard_floor) == (counter, expected)


def test_one_sector_is_not_enough():
    raises(FormatError, Journal, Flash(1))


def test_a_record_has_room_for_seven_planes_and_says_when_it_has_not():
    state = State()
    for pair in range(MAX_ENTRIES):
        entry = Entry("model", "m" + str(pair), pair)
        entry.slot, entry.image = 0, image(pair)
        entry.begin(image(100 + pair), 8, rules())
        state.entries.append(entry)
    _number, copy = decode(encode(state, 1))
    assert len(copy.on_trial()) == MAX_ENTRIES
    journal = Journal(Flash(2))
    journal.state = state
    journal.commit()
    for entry in journal.state.entries:
        entry.trial.image.requires.update(dict.fromkeys(("app", "model", "config"), "1.0.0-" + "a" * 18))
    raises(FormatError, journal.commit)


def test_failures_in_a_row_are_forgiven_and_never_run_out_of_marks():
    flash = Flash(2)
    journal = Journal(flash)
    step(journal, 1)
    for boots in range(100):
        journal.mark_fault()
        assert journal.faults() - journal.starts() == 1
        if boots % 3 == 2:  # the others fail as well
            journal.forgive()
        elif boots % 3 == 0:
            journal.mark_fault()
            journal.forgive()
        else:
            journal.forgive()
        assert journal.faults() == journal.starts()
    assert Journal(flash).state.entries[0].image == image(1)
