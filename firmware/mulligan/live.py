"""The live part of a trial: the set on trial answers the app, and is watched doing so. Only in memory while that lasts."""

from . import health
from .core.errors import HealthError, TransportError
from .core.state import needs_reset

_WAIT_MS = 20  # what a step returns while it waits for the app
_RETRY_MS = 1000  # and while it waits for the network
_REQUEST_MS = 60000  # watchdog over a request: more than its longest, so that a network that is down is nobody's fault


def run(trial, ports, entries, loaded, probe):
    """A generator, until all that the rules ask for was seen; each step runs one check, or waits for the app.

    trial: the trial.Trials; entries, loaded: as for its run(); probe: a function that raises TransportError where the release
    directory can't be reached, or None. Versions that were not in service before are taken out of it again where this ends by an
    error. Raises: HealthError, trial.Waited.
    """
    _, slots, serving, system, clock, _ = ports
    passed = False
    before = None if needs_reset(entries) else trial.swap(entries, loaded)
    watched = []
    try:
        for entry in loaded:
            if entry.trial.rules.live_runs:
                served = serving.served(entry.name)
                served.live = health.Live(loaded[entry][0], entry.trial.rules, slots.tried(entry), clock, served.engine)
                watched.append((entry.trial.rules, served))
        for entry in entries:
            health.memory(entry.trial.rules, 0, system.sample_heap())
        yield _WAIT_MS  # the app's checks are there once it has come to its steps
        for name in sorted(serving.checks):
            if not serving.checks[name]():
                raise HealthError("check {}: failed".format(name))
            yield _WAIT_MS
            trial.progress(entries)
        yield from _linked(trial, ports, entries, probe)
        for rules, served in watched:
            while not served.live.judge(rules):
                yield _WAIT_MS
                trial.wait(entries, "live_runs: {} of {} inferences seen".format(served.live.runs, rules.live_runs))
        if any(entry.trial.rules.confirm for entry in entries):
            while not serving.confirmed:
                yield _WAIT_MS
                trial.wait(entries, "confirm: the app did not call mulligan.confirm()", HealthError)
        passed = True
    finally:
        for _, served in watched:
            served.live = None
        serving.confirmed = False
        if before and not passed:
            trial.undo(before)


def _linked(trial, ports, entries, probe):
    """A set that came over the network, and may have broken the link, has to reach the release directory again."""
    if not (probe and needs_reset(entries) and ports[0].state.linked):
        return
    clock = ports[4]
    while True:
        ports[3].guard(_REQUEST_MS)
        try:
            probe()
            return
        except TransportError as e:
            missing = "the release directory was not reached ({})".format(e)
        finally:
            ports[3].guard(trial.left_ms(entries))
        since = clock.ticks_ms()
        waited_ms = 0
        while waited_ms < _RETRY_MS:
            trial.wait(entries, missing)
            yield _RETRY_MS - waited_ms
            waited_ms = clock.elapsed_ms(since)
