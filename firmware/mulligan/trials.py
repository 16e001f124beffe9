"""Trials, as much of them as is always in memory. The rest is borrowed, and never at the same time as what loads a model.

``ports``: journal, slots, serving, system, clock and report, as for `trial.Trials`.
"""

from .borrow import Borrowed
from .core.state import needs_reset


def begin(ports, items, sequence, linked):
    """Activate ``items``, [(entry, image, rules, hard floor)], which the inactive slots hold, verified: on trial together from
    one journal record on. sequence: of the release; linked: whether it came over the network.

    Raises: FormatError, ModelError, Unsupported, HealthError, Unmet where one can't pass here whatever comes: nothing is
    activated. Does not return where the set is tried from a reset.
    """
    for entry, image, rules, _ in items:
        with Borrowed("planes." + entry.plane) as plane:
            plane.check(ports, entry, image, rules, items)
    with Borrowed("trial") as trial:
        trial.Trials(ports).begin(items, sequence, linked)


def attempt(ports, probe):
    """A generator: one attempt at the trial that was started, to its end; steps and value as of `trial.Trials.run`."""
    journal, slots, serving, system, clock, _ = ports
    tried = journal.state.on_trial()
    since = system.since if needs_reset(tried) else clock.ticks_ms()
    loaded = {}
    for entry in tried:
        if entry.plane == "model":
            region, image = slots.tried(entry), entry.trial.image
            try:
                served = serving.served(entry.name) if needs_reset(tried) else None  # the boot has put it into service
                loaded[entry] = (serving.look(region, image)[0], served) if served else serving.load(region, image)
            except Exception as e:  # whatever it is, it is the trial that judges it
                loaded[entry] = e
    with Borrowed("trial") as trial:
        try:
            yield from trial.Trials(ports, since).run(tried, loaded, probe)
        finally:
            system.release()  # also where the flash did not take the end of it
