"""What the app or a person at the cable asks for: to go back, to try again what is frozen, and to have the agent alone."""

from . import startup
from .core import policy
from .core.bootwords import ASKED
from .core.errors import FlashError, NotAvailable


def rollback(ports, plane, name):
    """Go back to the version of ``plane`` that was confirmed before, and freeze the one that is now. name: of a model, where
    there are several. A model and a config are swapped at once; with another plane, this does not return.

    Raises: NotAvailable where no version is held, or something is on trial; Replayed below the hard floor; Unmet where what else
    is there would not fit; FlashError where the slot no longer holds it.
    """
    journal, slots, serving, system, _, _ = ports
    state = journal.state
    entry = state.entry(plane, name) if name else state.only(plane)
    if entry is None or state.on_trial():
        raise NotAvailable("{}: nothing to go back from, or something is on trial".format(plane))
    policy.revert(entry, state, system.versions, system.mpy)
    if serving.busy(entry.name):
        raise NotAvailable("{} is in use: leave its with block first".format(entry.name))
    if not startup.holds(slots.tried(entry), entry.spare):
        raise FlashError("{}: the slot no longer holds {}".format(entry.name, entry.spare.version))
    startup.go_back(ports, entry, "by hand", True)
    if plane in ("app", "firmware"):
        system.reset()
    startup.serve(ports, entry)


def thaw(ports, plane):
    """Let versions of ``plane`` be tried again that have failed here."""
    journal = ports[0]
    for entry in journal.state.entries:
        if entry.plane == plane:
            entry.frozen = []
    journal.commit()  # cut before: frozen as they were


def recovery(ports):
    """Reset into recovery. Raises: NotAvailable while something is on trial."""
    journal, system = ports[0], ports[3]
    if journal.state.on_trial():
        raise NotAvailable("recovery: something is on trial")
    while journal.faults() - journal.starts() < ASKED:
        journal.mark_fault()  # cut: fewer failures in a row than it takes
    system.reset()
