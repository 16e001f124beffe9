"""Trials: a version runs under health checks and the watchdog, and is confirmed or rolled back.

The confirmed version stays in service all the while; the app gets the new one only once it has passed.
"""

from . import health
from .core.digest import digest_of
from .core.errors import FlashError, HealthError, NoMemory, described


class Trials:
    """Begins, runs and ends trials. ``report(event, **facts)`` is told of each turn."""

    def __init__(self, journal, slots, serving, system, clock, report):
        self._journal = journal
        self._slots = slots
        self._serving = serving
        self._system = system
        self._clock = clock
        self._report = report
        self._elapsed_us = 0
        self._since = 0

    def begin(self, entry, image, sequence, rules, hard_floor):
        """Activate ``image``, which the inactive slot of ``entry`` holds, verified: on trial from this record on."""
        entry.begin(image, sequence, rules, hard_floor)
        self._journal.commit()  # cut before: the old set; after: a trial that the next boot finds
        self._report("activated", name=entry.name, version=image.version, slot=entry.trial.slot)
        self.start(entry)

    def start(self, entry):
        """Count a start of the trial, and stand the watchdog over it: before the app, or anything of the version, runs."""
        self._journal.mark_start()  # cut before: a boot that nobody counts; after: one that is found if it fails
        self._system.guard(entry.trial.rules.watchdog_ms)

    def run(self):
        """A generator: one attempt at the trial that was started, to its end. Each step runs one golden vector."""
        entry = self._journal.state.on_trial()
        trial = entry.trial
        self._elapsed_us = 0
        self._since = self._clock.ticks_us()
        passed = False
        try:
            header, candidate = self._load(entry)
            self._system.sample_heap()
            result = yield from self._watched(trial, self._checks(header, candidate, entry))
            self._report(
                "healthy",
                name=entry.name,
                version=trial.image.version,
                correct="{}/{}".format(result.correct, result.total),
                p90_us=result.p90_us(),
            )
            passed = True
            while self._serving.busy(entry.name):
                yield
                self._progress(trial, "passed, but the app did not let go of the old version")
        except FlashError as e:
            self.roll_back(entry, e, False)  # the flash is at fault, not the version
        except Exception as e:  # whatever a version on trial raises counts against it, and must not stop the updater
            self.roll_back(entry, e, not passed)
        else:
            self._confirm(entry, candidate)
        self._system.release()

    def roll_back(self, entry, reason, freeze):
        """End the trial: the confirmed version stays. ``freeze`` where the version itself was at fault.

        A slot that no longer holds what was verified exonerates the version.
        """
        version = entry.trial.image.version
        entry.roll_back(freeze and self._intact(entry))
        self._journal.commit()  # cut before: one more attempt, or this again; after: done
        self._report(
            "rolled-back", name=entry.name, version=version, ms=self._elapsed_us // 1000, reason=described(reason)
        )

    def _load(self, entry):
        """(Header, Served) of the version on trial.

        Too little memory may be the state of the heap and not the version's need: while attempts are left, the next one is
        made from a reset, with the heap in one piece.
        """
        try:
            return self._serving.load(self._slots.tried(entry), entry.trial.image)
        except (MemoryError, NoMemory) as e:
            if self._journal.faults() + 1 < entry.trial.rules.attempts:
                self._report("resetting", name=entry.name, version=entry.trial.image.version, reason=described(e))
                self._system.reset()
            raise

    def _intact(self, entry):
        """Whether the slot on trial still holds what was verified."""
        image = entry.trial.image
        try:
            steps = digest_of(self._slots.tried(entry), image.length)
            while True:
                next(steps)
        except StopIteration as done:
            return done.value == image.sha256
        except FlashError:
            return False

    def _confirm(self, entry, candidate):
        state = self._journal.state
        state.sequence = max(state.sequence, entry.trial.sequence)
        state.time = max(state.time, self._clock.now() or 0)
        entry.confirm()
        self._journal.commit()  # cut before: the trial runs again; after: the new set
        self._serving.put(entry.name, candidate)
        self._report("confirmed", name=entry.name, version=entry.image.version, ms=self._elapsed_us // 1000)

    def _checks(self, header, candidate, entry):
        image = self._slots.tried(entry)
        return health.check(candidate.engine, header, image, entry.trial.rules, self._clock)

    def _watched(self, trial, checks):
        """Pass on the steps of ``checks``; only their progress feeds the watchdog, and the deadline stands over all."""
        while True:
            try:
                next(checks)
            except StopIteration as done:
                self._progress(trial)
                return done.value
            self._progress(trial)
            yield
            self._progress(trial)

    def _progress(self, trial, missing="no verdict"):
        now = self._clock.ticks_us()
        self._elapsed_us += self._clock.elapsed_us(self._since)
        self._since = now
        self._system.feed()
        if self._elapsed_us > trial.rules.deadline_ms * 1000:
            raise HealthError("{} within {} ms".format(missing, trial.rules.deadline_ms))
