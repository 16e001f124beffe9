from common import rules
from mulligan.core import bootchooser as b
from mulligan.core import otadata
from mulligan.core.journal import MAX_STARTS
from mulligan.core.state import Entry, Image, State

CAUSES = (0, b.POWER_ON, b.HARD, b.WATCHDOG, b.DEEP_SLEEP, b.SOFT, 6)
VIEWS = (b.NOTHING, b.STRAY, b.SET, b.ABSENT, b.UNPROVEN, b.PROVEN)


def image(counter):
    return Image(8192, counter, "1.{}.0".format(counter), bytes([counter]) * 32, {}, 0)


def a_state(firmware, trial, others):
    """firmware: the confirmed slot, or None for no entry; trial: whether the other slot is on trial; others: what else is."""
    state = State()
    if firmware is not None:
        entry = Entry("firmware", "firmware", 0)
        entry.slot, entry.image = firmware, image(1)
        if trial:
            entry.begin(image(2), 2, rules())
        state.entries.append(entry)
    entry = Entry("model", "digits", 0)
    if others:
        entry.begin(image(3), 2, rules())
    state.entries.append(entry)
    return state


def test_what_there_is_to_see():
    for firmware in (None, 0, 1):
        for trial in (False, True):
            for others in (False, True):
                state = a_state(firmware, trial and firmware is not None, others)
                for running in (None, 0, 1):
                    for pending in (False, True):
                        for intact in (False, True):
                            seen = b.view(state, running, pending, intact)
                            if trial and firmware is not None:
                                here = running == 1 - firmware and intact
                                assert seen == ((b.UNPROVEN if pending else b.PROVEN) if here else b.ABSENT)
                            elif others:
                                assert seen == b.SET
                            else:
                                stray = firmware is not None and running is not None and running != firmware
                                assert seen == (b.STRAY if stray else b.NOTHING)


def test_every_input_has_its_action():
    seen = set()
    for view in VIEWS:
        for starts in range(MAX_STARTS + 2):
            for faults in range(10):
                for attempts in range(1, 4):
                    for cause in CAUSES:
                        for spare in (False, True):
                            action, fault = b.choose(view, starts, faults, attempts, cause, spare)
                            seen.add((view, action))
                            own = cause in (b.HARD, b.WATCHDOG)
                            if view in (b.NOTHING, b.STRAY):
                                assert fault == own
                                failures = faults - starts + own
                                if view == b.STRAY and failures < 2:
                                    assert action == b.RETURN
                                elif own and failures >= b.MAX_FAILURES:
                                    assert action == (b.FALL_BACK if spare and failures < b.ASKED else b.RECOVER)
                                else:
                                    assert action == b.SERVE
                            else:
                                assert fault == (own and starts > 0 and view != b.UNPROVEN)
                                if faults + fault >= attempts or starts >= MAX_STARTS:
                                    assert action == b.ROLL_BACK
                                else:
                                    assert action == (b.ARM if view == b.ABSENT else b.TRY)
    assert len(seen) == 3 + 4 + 4 * 2, seen


def test_power_cuts_alone_never_count_as_faults_but_are_bounded():
    for view, again in ((b.SET, b.TRY), (b.ABSENT, b.ARM), (b.UNPROVEN, b.TRY), (b.PROVEN, b.TRY)):
        starts = boots = 0
        while b.choose(view, starts, 0, 1, b.POWER_ON, False)[0] == again:
            starts += 1
            boots += 1
            assert boots < 100
        assert boots == MAX_STARTS
    for faults in range(40):  # nor do they send a board into recovery
        assert b.choose(b.NOTHING, 0, faults, 1, b.POWER_ON, True) == (b.SERVE, False)


def test_a_reset_before_the_first_start_is_nobodys_fault():
    assert b.choose(b.SET, 0, 0, 1, b.WATCHDOG, False) == (b.TRY, False)
    assert b.choose(b.ABSENT, 0, 0, 1, b.HARD, False) == (b.ARM, False)


# The whole of it: bootloader, otadata, journal and bootchooser, over boots.


class Device:
    """``loads`` are the slots whose image the bootloader loads; ``works`` those whose firmware gets as far as a confirm."""

    def __init__(self, entries, confirmed, trial, loads, works, attempts):
        self.entries = entries
        self.state = a_state(confirmed, trial, False)
        self.loads = loads
        self.works = works
        self.attempts = attempts
        self.starts = self.faults = 0
        self.armed = 0

    def write(self, change):
        index, entry = change
        self.entries = (entry, self.entries[1]) if index == 0 else (self.entries[0], entry)

    def pending(self, slot):
        return otadata.is_pending(self.entries, 2, slot)

    def boot(self, cause):
        """One life; the cause of the reset that ends it, or None where it serves on."""
        slot, self.entries = otadata.bootloader(self.entries, 2, lambda s: s in self.loads)
        if slot is None:
            return "dead"
        firmware = self.state.only("firmware")
        if slot not in self.works:
            return b.WATCHDOG
        seen = b.view(self.state, slot, self.pending(slot), True)
        if self.pending(slot) and slot == firmware.slot:
            self.write(otadata.confirm(self.entries))  # first: it must be there to come back to
        action, fault = b.choose(seen, self.starts, self.faults, self.attempts, cause, False)
        self.faults += fault
        if action == b.ARM:
            self.starts += 1
            self.armed += 1
            self.write(otadata.set_boot(self.entries, 2, firmware.trial.slot))
            return b.HARD
        if action == b.TRY:
            self.starts += 1
            if self.pending(slot):
                self.write(otadata.confirm(self.entries))
            firmware.confirm()
            self.starts = self.faults = 0
        elif action == b.ROLL_BACK:
            firmware.roll_back(True)
            self.starts = self.faults = 0
        if action in (b.ROLL_BACK, b.RETURN) and slot != firmware.slot and firmware.slot in self.loads:
            self.write(otadata.set_boot(self.entries, 2, firmware.slot))
            return b.HARD
        return None if action != b.RECOVER else "recovery"


def all_otadata():
    """Every pair of entries that a cut of set_boot or confirm, or the bootloader, can leave, and more."""
    blank = otadata.Entry(0xFFFFFFFF, b"\xff" * 20, 0xFFFFFFFF, 0xFFFFFFFF)
    states = (otadata.NEW, otadata.PENDING, otadata.VALID, otadata.INVALID, otadata.ABORTED, otadata.UNDEFINED)
    one = [blank] + [otadata.entry(seq, state) for seq in (1, 2, 3, 4) for state in states]
    return [(x, y) for x in one for y in one]


def kept(entries, works):
    """Whether the bootloader would start a firmware that does not work for ever: only what has confirmed itself is VALID."""
    for _ in range(2):
        slot, entries = otadata.bootloader(entries, 2, lambda s: True)
    return slot not in works


def test_every_state_of_otadata_and_journal_ends_in_a_firmware_that_the_journal_confirms():
    """From any otadata, with any slot confirmed, on trial or not, after any reset: a few boots later it serves."""
    count = 0
    for entries in all_otadata():
        for confirmed in (0, 1):
            for trial in (False, True):
                for works in ((0, 1), (confirmed,)):
                    for attempts in (1, 2):
                        for first in (b.POWER_ON, b.WATCHDOG):
                            if kept(entries, works):
                                continue
                            device = Device(entries, confirmed, trial, (0, 1), works, attempts)
                            cause = first
                            boots = 0
                            while cause is not None:
                                cause = device.boot(cause)
                                boots += 1
                                assert cause not in ("dead", "recovery") and boots <= 4 + 4 * attempts
                            firmware = device.state.only("firmware")
                            slot = otadata.bootloader(device.entries, 2, lambda s: True)[0]
                            assert slot == firmware.slot and not firmware.trial
                            if not trial or len(works) == 1:
                                assert firmware.slot == confirmed
                            assert device.armed <= attempts
                            count += 1
    assert count > 625 * 2 * 2 * 2 * 2


def test_an_image_that_the_bootloader_can_not_load_is_rolled_back():
    device = Device((otadata.entry(1, otadata.VALID), otadata.entry(0xFFFFFFFF, otadata.NEW)), 0, True, (0,), (0, 1), 2)
    cause = b.POWER_ON
    causes = []
    while cause is not None:
        cause = device.boot(cause)
        causes.append(cause)
    assert causes == [b.HARD, b.HARD, None] and device.armed == 2
    assert device.state.only("firmware").frozen and device.state.only("firmware").slot == 0


def test_a_confirmed_firmware_that_no_longer_loads_is_left_for_the_one_that_does():
    device = Device((otadata.entry(1, otadata.VALID), otadata.entry(2, otadata.VALID)), 1, False, (0,), (0, 1), 1)
    assert device.boot(b.POWER_ON) is None  # set_boot would refuse: it serves from the other slot
