# Mulligan's boot.py: the watchdog stands before anything else, so that whatever fails below ends in a reset, not at a dead REPL.
# mulligan.boot() lets it go again when nothing is on trial. A boot.py of your own goes into user_boot.py.
import machine

machine.WDT(timeout=30000)

import mulligan  # noqa: E402

mulligan.boot()

try:
    import user_boot  # noqa: F401
except ImportError as e:
    if "user_boot" not in str(e):
        raise
