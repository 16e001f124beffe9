"""otadata against FACTS.md's figures and against every pair of entries that can stand in flash."""

from common import raises
from mulligan.core import otadata
from mulligan.core.errors import FormatError
from mulligan.core.esp_idf import ABORTED, INVALID, NEW, PENDING, UNDEFINED, VALID
from mulligan.core.otadata import FACTORY, Entry, entry

BLANK = otadata.decode(b"\xff" * 32)
FRESH = (BLANK, BLANK)


def all_load(slot):
    return True


def only(*slots):
    return lambda slot: slot in slots


def reboot(entries, n=2, loadable=all_load):
    return otadata.bootloader(entries, n, loadable)


def put(entries, change):
    """``entries`` with what set_boot or confirm writes."""
    index, e = change
    return (e, entries[1]) if index == 0 else (entries[0], e)


def states(entries):
    return entries[0].state, entries[1].state


def test_crc_is_of_the_sequence_alone():
    assert [otadata.crc(seq) for seq in (1, 2, 3, 4)] == [0x4743989A, 0x55F63774, 0xED4A5011, 0x709D68A8]


def test_golden_bytes():
    golden = b"\x02\0\0\0" + b"\xff" * 20 + b"\0\0\0\0" + b"\x74\x37\xf6\x55"
    assert otadata.encode(entry(2, NEW)) == golden
    assert otadata.decode(golden) == entry(2, NEW)
    assert otadata.decode(golden + b"more") == entry(2, NEW)
    labelled = Entry(7, b"a" * 20, VALID, 1)
    assert otadata.decode(otadata.encode(labelled)) == labelled
    raises(FormatError, otadata.decode, golden[:31])


def test_blank_boots_the_first_slot_and_says_so():
    slot, entries = reboot(FRESH)
    assert slot == 0
    assert entries == (entry(1, VALID), BLANK)
    assert otadata.changes(FRESH, entries) == [(0, entry(1, VALID))]


def test_blank_with_a_bad_first_slot_records_the_second():
    assert reboot(FRESH, loadable=only(1)) == (1, (entry(2, VALID), BLANK))


def test_blank_with_a_factory_app_writes_nothing():
    assert otadata.bootloader(FRESH, 2, all_load, True) == (FACTORY, FRESH)
    # Up from the factory app when that does not load; nothing is recorded then either.
    assert otadata.bootloader(FRESH, 2, only(1), True) == (1, FRESH)


def test_trial_confirmed():
    _, entries = reboot(FRESH)
    change = otadata.set_boot(entries, 2, 1)
    assert change == (1, entry(2, NEW))
    entries = put(entries, change)
    slot, entries = reboot(entries)
    assert (slot, states(entries)) == (1, (VALID, PENDING))
    entries = put(entries, otadata.confirm(entries))
    assert states(entries) == (VALID, VALID)
    assert otadata.confirm(entries) is None
    assert reboot(entries) == (1, entries)


def test_trial_not_confirmed_is_aborted_and_set_boot_works_again():
    entries = (entry(1, VALID), entry(2, NEW))
    _, entries = reboot(entries)
    slot, entries = reboot(entries)
    assert (slot, states(entries)) == (0, (VALID, ABORTED))
    assert reboot(entries) == (0, entries)
    change = otadata.set_boot(entries, 2, 1)
    assert change == (1, entry(2, NEW))
    assert reboot(put(entries, change))[0] == 1


def test_image_that_does_not_load_falls_back_but_stays_selected():
    entries = (entry(1, VALID), entry(2, NEW))
    slot, entries = reboot(entries, loadable=only(0))
    assert (slot, states(entries)) == (0, (VALID, PENDING))
    assert otadata.selected(entries, 2) == 1  # what Partition(BOOT) then names


def test_trap_set_boot_on_the_selected_slot_names_it_twice():
    entries = (entry(1, VALID), entry(2, PENDING))
    assert otadata.set_boot(entries, 2, 1) == (0, entry(2, NEW))


def test_without_rollback_nothing_is_pending_and_nothing_aborted():
    entries = put((entry(1, VALID), BLANK), otadata.set_boot((entry(1, VALID), BLANK), 2, 1, False))
    assert entries[1] == entry(2, UNDEFINED)
    for _ in range(3):
        slot, entries = reboot(entries)
        assert (slot, entries[1].state) == (1, UNDEFINED)


def test_pending_is_aborted_before_its_crc_is_looked_at():
    damaged = Entry(2, b"\xff" * 20, PENDING, 0)
    slot, entries = reboot((entry(1, VALID), damaged))
    assert slot == 0
    assert entries[1] == Entry(2, b"\xff" * 20, ABORTED, 0)


def test_both_aborted_boot_the_first_slot_and_record_nothing():
    entries = (entry(3, ABORTED), entry(2, INVALID))
    assert reboot(entries) == (0, entries)


def test_wrong_crc_everywhere_starts_from_the_factory_place():
    damaged = (Entry(2, b"\xff" * 20, VALID, 0), Entry(4, b"\xff" * 20, NEW, 0))
    assert reboot(damaged) == (0, damaged)
    assert reboot(damaged, loadable=only(1)) == (1, damaged)
    assert otadata.selected(damaged, 2) is None
    raises(FormatError, otadata.confirm, damaged)


def test_walk_goes_down_to_factory_and_then_up():
    asked = []

    def none(slot):
        asked.append(slot)
        return False

    assert otadata.bootloader((entry(2, VALID), BLANK), 4, none, True)[0] is None
    assert asked == [1, 0, FACTORY, 2, 3]


def test_set_boot_takes_the_smallest_sequence_that_selects_the_slot():
    for n in (1, 2, 3, 5):
        for current in range(1, 12):
            for index in (0, 1):
                entries = (entry(current, VALID), BLANK) if index == 0 else (BLANK, entry(current, VALID))
                for target in range(n):
                    written, e = otadata.set_boot(entries, n, target)
                    assert written == 1 - index
                    assert otadata.slot(e, n) == target and otadata.is_valid(e)
                    assert e.seq == min([s for s in range(current, current + n) if (s - 1) % n == target])
    for target in (-1, 2):
        raises(ValueError, otadata.set_boot, FRESH, 2, target)


def test_set_boot_without_a_valid_entry_starts_over():
    assert otadata.set_boot((entry(9, ABORTED), Entry(3, b"\xff" * 20, VALID, 0)), 2, 1) == (0, entry(2, NEW))


def test_label_bytes_are_kept():
    labelled = entry(1, VALID, b"x" * 20), entry(2, NEW, b"y" * 20)
    _, after = reboot(labelled)
    assert after[1] == entry(2, PENDING, b"y" * 20)
    assert otadata.confirm(after) == (1, entry(2, VALID, b"y" * 20))
    assert otadata.set_boot((labelled[0], BLANK), 2, 1)[1].label == b"\xff" * 20


def test_aborted_entries_are_written_first():
    old = (entry(4, NEW), entry(3, PENDING))
    slot, new = reboot(old)
    assert slot == 1
    assert otadata.changes(old, new) == [(1, entry(3, ABORTED)), (0, entry(4, PENDING))]


def test_every_pair_of_entries():
    some = [BLANK]
    for seq in (1, 2, 3):
        for state in (NEW, PENDING, VALID, INVALID, ABORTED, UNDEFINED):
            some.append(entry(seq, state))
        some.append(Entry(seq, b"\xff" * 20, VALID, otadata.crc(seq) ^ 1))
    for a in some:
        for b in some:
            for loads in ((), (0,), (1,), (0, 1)):
                slot, after = otadata.bootloader((a, b), 2, only(*loads))
                assert (slot is None) == (not loads)
                assert slot is None or slot in loads
                # No trial goes on across a boot, and at most one begins.
                assert sum([e.state == PENDING for e in after]) <= sum([e.state == NEW for e in (a, b)])
                for before, now in zip((a, b), after):
                    assert now.state in (before.state, ABORTED, PENDING, VALID)
                    assert before.state != PENDING or now.state in (ABORTED, VALID)
                # A second boot changes nothing but what was on trial, and both settle: a third is like the second.
                _, second = otadata.bootloader(after, 2, only(*loads))
                for now, later in zip(after, second):
                    assert now == later or now.state in (PENDING, NEW)
