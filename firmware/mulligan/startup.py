"""What a boot does once: decide about a trial, and put the confirmed models into service."""

from .borrow import Borrowed
from .core.digest import digest_of
from .core.errors import MulliganError, NoMemory, described
from .core.state import together


def decide(ports):
    """What this boot is to do about a trial, done as far as the journal goes; whether it is tried again.

    ``ports``: as for trial.Trials.
    """
    journal, _, _, system, _, report = ports
    cause = system.reset_cause()
    tried = journal.state.on_trial()
    entry = tried[0] if tried else None
    attempts = together([e.trial.rules for e in tried])[0] if tried else 0
    with Borrowed("core.bootchooser") as bootchooser:
        seen = bootchooser.view(journal.state, None, False, False)
        action, fault = bootchooser.choose(seen, journal.starts(), journal.faults(), attempts, cause, False)
        roll_back = action == bootchooser.ROLL_BACK
        tried = action == bootchooser.TRY
        by = "watchdog" if cause == bootchooser.WATCHDOG else "other"
    if fault:
        journal.mark_fault()
    report("boot", cause=cause, action=action.replace(" ", "-"))
    if roll_back:
        reason = "{} failed starts, the last by {} reset".format(journal.faults(), by)
        with Borrowed("trial") as trial:
            trial.Trials(ports).roll_back(entry, reason, journal.faults() > 0)
    elif tried:
        with Borrowed("trial") as trial:
            trial.Trials(ports).start(entry)
    return tried


def serve_all(ports, tried):
    """Put the confirmed models into service. ``tried``: what decide() gave."""
    journal, _, _, system, _, _ = ports
    if tried:
        with Borrowed("trial") as trial:
            trial.Trials(ports).make_room(journal.state.on_trial()[0])
    for entry in journal.state.entries:
        if entry.slot is not None:
            _serve(ports, entry)
    if not tried:
        system.release()  # not before all of that is done: boot.py's watchdog stands over it


def _serve(ports, entry):
    """Put the confirmed model into service, if its slot still holds it."""
    journal, slots, serving, _, _, report = ports
    region = slots.active(entry)
    facts = {"name": entry.name, "version": entry.image.version, "slot": entry.slot}
    if _finish(digest_of(region, entry.image.length)) != entry.image.sha256:
        report("damaged", **facts)
        entry.slot = entry.image = None
        journal.commit()  # the agent installs anew: what is lost is no longer taken for installed
        return
    try:
        try:
            served = serving.load(region, entry.image)[1]
        except (NoMemory, MemoryError):
            serving.trim()  # the confirmed version comes before the room that a trial was given
            served = serving.load(region, entry.image)[1]
    except (MulliganError, MemoryError, OSError) as e:  # the agent must live: the next release can mend it
        report("not-serving", reason=described(e), **facts)
        return
    serving.put(entry.name, served)
    report("serving", **facts)


def _finish(generator):
    """Run a generator to its end; its value."""
    while True:
        try:
            next(generator)
        except StopIteration as done:
            return done.value
