"""What to do at a boot: a pure function of the journal and the reset cause. The table is in docs/DESIGN.md."""

from .journal import MAX_STARTS

# Reset causes, by machine.reset_cause() of MicroPython's ESP32 port.
POWER_ON = 1
HARD = 2  # machine.reset(), and a panic
WATCHDOG = 3
DEEP_SLEEP = 4
SOFT = 5

SERVE = "serve"  # no trial: run what is confirmed
TRY = "try"  # start the trial again
ROLL_BACK = "roll back"  # the trial has failed

_FAULTS = (HARD, WATCHDOG)  # the version's own doing; a power cut, a sleep and an opened port are not


def choose(on_trial, starts, faults, attempts, cause):
    """(action, fault): what to do, and whether this boot counts as a fault of the version on trial.

    on_trial: whether the journal has a trial; starts, faults: as the journal has counted them before this boot;
    attempts: how many faults end the trial; cause: of this reset.
    """
    if not on_trial:
        return SERVE, False
    fault = starts > 0 and cause in _FAULTS
    if faults + fault >= attempts or starts >= MAX_STARTS:
        return ROLL_BACK, fault
    return TRY, fault
