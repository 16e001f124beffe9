"""What to do at a boot: a pure function of journal, otadata, running partition and reset cause. Its table: docs/DESIGN.md."""

from .bootwords import (
    ABSENT,
    ARM,
    ASKED,
    FALL_BACK,
    HARD,
    MAX_FAILURES,
    NOTHING,
    PROVEN,
    RECOVER,
    RETURN,
    ROLL_BACK,
    SERVE,
    SET,
    STRAY,
    TRY,
    UNPROVEN,
    WATCHDOG,
)
from .journal import MAX_STARTS

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
