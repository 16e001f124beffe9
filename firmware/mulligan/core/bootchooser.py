"""What to do at a boot: a pure function of journal, otadata, running partition and reset cause. Its table: docs/DESIGN.md."""

from .journal import MAX_STARTS

# Reset causes, by machine.reset_cause() of MicroPython's ESP32 port.
POWER_ON = 1
HARD = 2  # machine.reset(), and a panic
WATCHDOG = 3
DEEP_SLEEP = 4
SOFT = 5

# What is on trial, and what that has to do with the firmware that runs: view().
NOTHING = "nothing"  # no trial, and the firmware is the journal's
STRAY = "nothing, stray"  # no trial, and the firmware runs from another slot than the confirmed one
SET = "a set"  # a trial without a firmware
ABSENT = "with firmware, absent"  # a firmware is on trial, and another one runs
UNPROVEN = "with firmware, unproven"  # it runs, and the bootloader aborts it at the next reset
PROVEN = "with firmware, kept"  # it runs, and the bootloader would start it again

SERVE = "serve"  # run what is confirmed
TRY = "try"  # start the trial again
ARM = "arm"  # have the bootloader start the firmware on trial: set_boot, counted, and a reset
ROLL_BACK = "roll back"  # the trial has failed
RETURN = "return"  # have the bootloader start the confirmed firmware: set_boot and a reset
FALL_BACK = "fall back"  # what is confirmed keeps failing: go back, on the first plane that can
RECOVER = "recover"  # and where none can: the agent alone, without the app

MAX_FAILURES = 4  # boots in a row that ended by a fault: the next one falls back or recovers
ASKED = 8  # failures that only somebody who asks for recovery counts: it recovers, whatever is held
_MAX_RETURNS = 2
_FAULTS = (HARD, WATCHDOG)  # the version's own doing; a power cut, a sleep and an opened port are not


def view(state, running, pending, intact):
    """What is on trial: NOTHING to PROVEN.

    state: the journal's State; running: the firmware slot that runs, or None where there is no slot pair for firmware;
    pending: whether otadata has the entry of that slot PENDING; intact: whether that slot holds the image on trial.
    """
    entry = state.only("firmware")
    if entry and entry.trial:
        if running != entry.trial.slot or not intact:
            return ABSENT
        return UNPROVEN if pending else PROVEN
    if state.on_trial():
        return SET
    return STRAY if entry and running is not None and entry.slot != running else NOTHING


def choose(seen, starts, faults, attempts, cause, spare):
    """(action, fault): what to do, and whether this boot counts as a fault.

    seen: view(); starts, faults: as the journal has counted them before this boot; attempts: how many faults end the trial;
    cause: of this reset; spare: whether some plane holds a version to go back to. Without a trial, starts counts the faults
    that are forgiven, as the app has run well since.
    """
    fault = cause in _FAULTS
    if seen in (NOTHING, STRAY):
        failures = faults - starts + fault
        if seen == STRAY and failures < _MAX_RETURNS:
            return RETURN, fault
        if fault and failures >= MAX_FAILURES:
            return (FALL_BACK if spare and failures < ASKED else RECOVER), fault
        return SERVE, fault
    # A firmware that the bootloader would abort at the next reset is at its first boot: what reset the chip was ours.
    fault = fault and starts > 0 and seen != UNPROVEN
    if faults + fault >= attempts or starts >= MAX_STARTS:
        return ROLL_BACK, fault
    return (ARM if seen == ABSENT else TRY), fault
