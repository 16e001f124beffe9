"""What the bootchooser is told, and what it answers."""

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
