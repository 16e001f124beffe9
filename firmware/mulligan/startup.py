"""What a boot does once: decide what it is for, and put into service what is confirmed, or on trial from a reset."""

from .borrow import Borrowed
from .core.bootwords import HARD, MAX_FAILURES, RECOVER, SERVE, STRAY, TRY, WATCHDOG
from .core.digest import digest_of
from .core.errors import FlashError, MulliganError, NoMemory, NotAvailable, PolicyError, described
from .core.layout import STARTS
from .core.state import needs_reset, together


def decide(ports, tried):
    """What this boot is to do, by `core.bootchooser`, done as far as journal and otadata go: the action that was taken.

    ``ports``: as for trial.Trials; tried: it is known already to be a try. Does not return where another firmware is to run.
    """
    journal, slots, _, system, clock, report = ports
    state = journal.state
    cause = system.reset_cause()
    pending = _reconcile(ports)
    system.since = clock.ticks_ms()
    if tried:
        return TRY
    tried = state.on_trial()
    attempts = together([entry.trial.rules for entry in tried])[0] if tried else 0
    with Borrowed("core.bootchooser") as bootchooser:
        firmware = state.only("firmware")
        here = firmware and firmware.trial and firmware.trial.slot == slots.running
        seen = bootchooser.view(state, slots.running, pending, bool(here) and holds(slots.tried(firmware), firmware.trial.image))
        given = seen, journal.starts(), journal.faults(), attempts, cause
        action, fault = bootchooser.choose(*given, False)
        back = None
        if action == RECOVER:
            with Borrowed("core.policy") as policy:
                back = policy.to_fall_back(state, system.versions, system.mpy)
            action, fault = bootchooser.choose(*given, back is not None)
        by = "watchdog" if cause == WATCHDOG else "other"
    if fault:
        journal.mark_fault()
    report("boot", cause=cause, action=action.replace(" ", "-"))
    if action == "roll back":
        reason = "{} failed starts, the last by {} reset".format(journal.faults(), by)
        with Borrowed("trial") as trial:
            trial.Trials(ports).roll_back(tried, reason, tried if journal.faults() else [])
    elif action == "try":
        with Borrowed("trial") as trial:
            trial.Trials(ports).start(tried)
    elif action == "arm":
        with Borrowed("trial") as trial:
            trial.Trials(ports).arm(tried)
    elif action == "return":
        _switch(ports, firmware)
    elif action == "serve" and seen == STRAY:
        _adopt(ports, firmware)
    elif action == "fall back":
        failures = journal.faults() - journal.starts()
        go_back(ports, back, "{} failed boots in a row, the last by {} reset".format(failures, by), True)
    return action


def uncounted(ports, error):
    """What this boot is to do where the journal takes no record, as ``error`` says: serve what there is. Faults in a row that it
    can't count are counted in the event log, so that an app that always fails comes to recovery all the same."""
    _, _, _, system, _, report = ports
    report("unwritten", code=error.code, reason=error)
    failures = report.failures() + 1 if system.reset_cause() in (HARD, WATCHDOG) else 0
    report("uncounted", failures=failures)
    if system.firmware()[1]:
        system.reset()  # to the firmware before: what is beside it is as old
    return RECOVER if failures >= MAX_FAILURES else SERVE


def came_up(report):
    """The package that the app slot carries has decided what this boot is for: what boot.py has counted is over."""
    with Borrowed("port.partitions") as partitions:
        found = partitions.find(STARTS)
    with Borrowed("core.starts") as starts:
        try:
            for region in found:
                starts.came_up(region)
        except FlashError as e:  # then the next start may count as one too many
            report("unwritten", code=e.code, reason=e)


def _reconcile(ports):
    """Whether the bootloader would abort what runs at the next reset. What is confirmed it must not: it has to be there to come
    back to."""
    journal, slots, _, system, _, _ = ports
    if slots.running is None:
        return False
    slots.pending = system.firmware()[1]
    entry = journal.state.only("firmware")
    if slots.pending and entry and entry.slot == slots.running:
        system.keep()
        slots.pending = False
    return slots.pending


def _switch(ports, entry):
    """Have the bootloader start the confirmed firmware. Does not return, unless that can't be: then what runs has to do."""
    _, slots, _, system, _, report = ports
    try:
        system.select(entry.slot)  # cut: the same decision at the next boot
    except FlashError as e:
        report("stray", slot=slots.running, reason=described(e))
        _adopt(ports, entry)
        return
    system.reset()


def _adopt(ports, entry):
    """What runs is the confirmed firmware from this record on, as the bootloader does not start the other one: else neither slot
    could be written, and nothing could mend it."""
    journal, slots, _, _, _, report = ports
    held = entry.spare if entry.spare and holds(slots.tried(entry), entry.spare) else None
    entry.slot, entry.image, entry.spare = slots.running, held, None
    journal.commit()  # cut before: the same decision at the next boot
    report("adopted", slot=entry.slot, version=held.version if held else "")


def go_back(ports, entry, reason, freeze):
    """The spare of ``entry`` is the confirmed version from this record on. Does not return where it is a firmware, or carries the
    package."""
    journal, slots, _, system, _, report = ports
    image = entry.image
    entry.fall_back(freeze)
    journal.commit()  # cut before: what was; after: the version before
    report("fell-back", name=entry.name, version=entry.image.version, reason=reason, was=image.version if image else "")
    if entry.plane == "firmware":
        _switch(ports, entry)
    if entry.plane == "app" and slots.carrier is not None:
        system.reset()  # to the package that it carries


def serve_all(ports, tried, idle_ms):
    """Put into service what is confirmed, and of a set that is tried from a reset what is on trial. ``tried``: whether this boot
    tries a set; idle_ms: as for System.release(). Returns whether there is an app to run, where there ought to be one."""
    journal, _, _, system, _, _ = ports
    entries = journal.state.on_trial()
    live = tried and needs_reset(entries)
    if tried and not live:
        with Borrowed("trial") as trial:
            trial.Trials(ports).make_room(entries)
    if live and not _whole(ports, entries):
        live = tried = False
    runs = True
    for entry in journal.state.entries:
        now = entry.trial.image if live and entry.trial else entry.image
        if now and entry.plane != "firmware":
            good = _serve(ports, entry, now, live and entry.trial)
            runs = runs and (good or entry.plane != "app")
    if not tried:
        system.release(idle_ms)  # not before all of that is done: boot.py's watchdog stands over it
    return runs


def _whole(ports, entries):
    """Whether the slots on trial still hold what was verified; else the set is rolled back, and nobody blamed."""
    slots = ports[1]
    for entry in entries:
        if not holds(slots.tried(entry), entry.trial.image):
            with Borrowed("trial") as trial:
                trial.Trials(ports).roll_back(entries, FlashError("{} holds something else".format(entry.name)), [])
            return False
    return True


def serve(ports, entry):
    """Put the confirmed version of ``entry`` into service."""
    return _serve(ports, entry, entry.image, None)


def _serve(ports, entry, image, tried):
    """Put ``image`` into service: the one on trial, or the confirmed one if its slot still holds it. Returns whether it is.

    An app that carries a package is not confirmed any more where that does not boot, so that the one in the other slot had to.
    """
    journal, slots, serving, _, _, report = ports
    region = slots.tried(entry) if tried else slots.active(entry)
    facts = {"name": entry.name, "version": image.version, "slot": entry.inactive() if tried else entry.slot}
    dead = entry.plane == "app" and slots.carrier not in (None, entry.slot) and not journal.state.on_trial()
    damaged = not tried and not holds(region, image)
    back = (dead or damaged) and _can_go_back(ports, entry)
    if damaged or back:
        if damaged:
            report("damaged", **facts)
        try:
            if back:
                go_back(ports, entry, "damaged" if damaged else "its package does not boot", not damaged)
            else:
                entry.image = entry.spare = None  # but not the slot: a trial is in the other one
                journal.commit()  # the agent installs anew: what is lost is no longer taken for installed
        except FlashError as e:  # the same at the next boot
            report("unwritten", code=e.code, reason=e)
        return back and serve(ports, entry)
    try:
        try:
            _put(ports, entry, region, image)
        except (NoMemory, MemoryError):
            serving.trim()  # the confirmed version comes before the room that a trial was given
            _put(ports, entry, region, image)
    except (MulliganError, MemoryError, OSError) as e:  # the agent must live: the next release can mend it
        report("not-serving", reason=described(e), **facts)
        return False
    report("serving", **facts)
    return True


def _can_go_back(ports, entry):
    """Whether the version before is held, may run again, and fits what else is there."""
    with Borrowed("core.policy") as policy:
        try:
            policy.revert(entry, ports[0].state, ports[3].versions, ports[3].mpy)
        except (NotAvailable, PolicyError):
            return False
    return holds(ports[1].tried(entry), entry.spare)


def _put(ports, entry, region, image):
    _, _, serving, system, _, _ = ports
    if entry.plane == "model":
        serving.put(entry.name, serving.load(region, image)[1])
    elif entry.plane == "config":
        with Borrowed("planes.config") as config:
            serving.config = config.read(region, image)
    else:
        system.run_from(region, image.length)


def holds(region, image):
    """Whether ``region`` holds ``image``."""
    steps = digest_of(region, image.length)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value == image.sha256
