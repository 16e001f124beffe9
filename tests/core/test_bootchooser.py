from common import rules
from mulligan.core import bootchooser as b
from mulligan.core import bootwords as w
from mulligan.core import esp_idf, otadata
from mulligan.core.journal import MAX_STARTS
from mulligan.core.state import Entry, Image, State

CAUSES = (0, w.POWER_ON, w.HARD, w.WATCHDOG, w.DEEP_SLEEP, w.SOFT, 6)
VIEWS = (w.NOTHING, w.STRAY, w.SET, w.ABSENT, w.UNPROVEN, w.PROVEN)


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
                                assert seen == ((w.UNPROVEN if pending else w.PROVEN) if here else w.ABSENT)
                            elif others:
                                assert seen == w.SET
                            else:
                                stray = firmware is not None and running is not None and running != firmware
                                assert seen == (w.STRAY if stray else w.NOTHING)


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
                            own = cause in (w.HARD, w.WATCHDOG)
                            if view in (w.NOTHING, w.STRAY):
                                assert fault == own
                                failures = faults - starts + own
                                if view == w.STRAY and failures < 2:
                                    assert action == w.RETURN
                                elif own and failures >= w.MAX_FAILURES:
                                    assert action == (w.FALL_BACK if spare and failures < w.ASKED else w.RECOVER)
                                else:
                                    assert action == w.SERVE
                            else:
                                assert fault == (own and starts > 0 and view != w.UNPROVEN)
                                if faults + fault >= attempts or starts >= MAX_STARTS:
                                    assert action == w.ROLL_BACK
                                else:
                                    assert action == (w.ARM if view == w.ABSENT else w.TRY)
    assert len(seen) == 3 + 4 + 4 * 2, seen


def test_power_cuts_alone_never_count_as_faults_but_are_bounded():
    for view, again in ((w.SET, w.TRY), (w.ABSENT, w.ARM), (w.UNPROVEN, w.TRY), (w.PROVEN, w.TRY)):
        starts = boots = 0
        while b.choose(view, starts, 0, 1, w.POWER_ON, False)[0] == again:
            starts += 1
            boots += 1
            assert boots < 100
        assert boots == MAX_STARTS
    for faults in range(40):  # nor do they send a board into recovery
        assert b.choose(w.NOTHING, 0, faults, 1, w.POWER_ON, True) == (w.SERVE, False)


def test_a_reset_before_the_first_start_is_nobodys_fault():
    assert b.choose(w.SET, 0, 0, 1, w.WATCHDOG, False) == (w.TRY, False)
    assert b.choose(w.ABSENT, 0, 0, 1, w.HARD, False) == (w.ARM, False)


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
            return w.WATCHDOG
        seen = b.view(self.state, slot, self.pending(slot), True)
        if self.pending(slot) and slot == firmware.slot:
            self.write(otadata.confirm(self.entries))  # first: it must be there to come back to
        action, fault = b.choose(seen, self.starts, self.faults, self.attempts, cause, False)
        self.faults += fault
        if action == w.ARM:
            self.starts += 1
            self.armed += 1
            self.write(otadata.set_boot(self.entries, 2, firmware.trial.slot))
            return w.HARD
        if action == w.TRY:
            self.starts += 1
            if self.pending(slot):
                self.write(otadata.confirm(self.entries))
            firmware.confirm()
            self.starts = self.faults = 0
        elif action == w.ROLL_BACK:
            firmware.roll_back(True)
            self.starts = self.faults = 0
        if action in (w.ROLL_BACK, w.RETURN) and slot != firmware.slot and firmware.slot in self.loads:
            self.write(otadata.set_boot(self.entries, 2, firmware.slot))
            return w.HARD
        return None if action != w.RECOVER else "recovery"


def all_otadata():
    """Every pair of entries that a cut of set_boot or confirm, or the bootloader, can leave, and more."""
    blank = otadata.Entry(0xFFFFFFFF, b"\xff" * 20, 0xFFFFFFFF, 0xFFFFFFFF)
    states = (esp_idf.NEW, esp_idf.PENDING, esp_idf.VALID, esp_idf.INVALID, esp_idf.ABORTED, esp_idf.UNDEFINED)
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
                        for first in (w.POWER_ON, w.WATCHDOG):
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
    device = Device((otadata.entry(1, esp_idf.VALID), otadata.entry(0xFFFFFFFF, esp_idf.NEW)), 0, True, (0,), (0, 1), 2)
    cause = w.POWER_ON
    causes = []
    while cause is not None:
        cause = device.boot(cause)
        causes.append(cause)
    assert causes == [w.HARD, w.HARD, None] and device.armed == 2
    assert device.state.only("firmware").frozen and device.state.only("firmware").slot == 0


def test_a_confirmed_firmware_that_no_longer_loads_is_left_for_the_one_that_does():
    device = Device((otadata.entry(1, esp_idf.VALID), otadata.entry(2, esp_idf.VALID)), 1, False, (0,), (0, 1), 1)
    assert device.boot(w.POWER_ON) is None  # set_boot would refuse: it serves from the other slot
