"""Trials, as much of them as is always in memory. The rest is borrowed, and never at the same time as what loads a model.

``ports``: journal, slots, serving, system, clock and report, as for `trial.Trials`.
"""

from .borrow import Borrowed


def begin(ports, entry, image, sequence, rules, hard_floor):
    """Activate ``image``, which the inactive slot of ``entry`` holds, verified: on trial from its journal record on.

    Raises: FormatError, ModelError, Unsupported, HealthError where it can't pass here whatever comes: nothing is activated.
    """
    _, slots, serving, _, _, _ = ports
    with Borrowed("fit") as fit:
        fit.check(serving, slots.inactive(entry), image, slots.active(entry), entry.image, rules)
    with Borrowed("trial") as trial:
        trial.Trials(ports).begin(entry, image, sequence, rules, hard_floor)


def attempt(ports):
    """A generator: one attempt at the trial that was started, to its end; steps and value as of `trial.Trials.run`."""
    journal, slots, serving, _, clock, _ = ports
    entry = journal.state.on_trial()[0]
    since = clock.ticks_ms()
    try:
        loaded = serving.load(slots.tried(entry), entry.trial.image)
    except Exception as e:  # whatever it is, it is the trial that judges it
        loaded = e
    with Borrowed("trial") as trial:
        return (yield from trial.Trials(ports).run(entry, loaded, since))
