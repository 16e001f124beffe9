"""Trials: a version runs under health checks and the watchdog, and is confirmed or rolled back.

The confirmed version stays in service all the while; the app gets the new one only once it has passed. Only in memory while
there is a trial, or one begins.
"""

from . import health
from .core.digest import digest_of
from .core.errors import FlashError, HealthError, MulliganError, NoMemory, described

_YIELD_MS = 0  # what a step returns while there is more to do at once
_WAIT_MS = 20  # and while it waits for the app
_BOOT_ROOM = 28672  # bytes that the arena of a version on trial leaves at a boot: to load the confirmed version, and the rest


class _Waited(HealthError):
    """The deadline came while the trial waited for the app: not the version's fault."""


class Trials:
    """Begins, runs and ends trials. ``ports``: journal, slots, serving, system, clock and report.

    ``report(event, **facts)`` is told of each turn.
    """

    def __init__(self, ports):
        self._journal, self._slots, self._serving, self._system, self._clock, self._report = ports
        self._elapsed_ms = 0
        self._since = 0

    def begin(self, entry, image, sequence, rules, hard_floor):
        """Activate ``image``, which the inactive slot of ``entry`` holds, verified and fit: on trial from this record on."""
        entry.begin(image, sequence, rules, hard_floor)
        self._journal.commit()  # cut before: the old set; after: a trial that the next boot finds
        self._report("activated", name=entry.name, version=image.version, slot=entry.trial.slot)
        self.start(entry)

    def start(self, entry):
        """Count a start of the trial, and stand the watchdog over it: before the app, or anything of the version, runs."""
        self._journal.mark_start()  # cut before: a boot that nobody counts; after: one that is found if it fails
        self._system.guard(entry.trial.rules.watchdog_ms)

    def make_room(self, entry):
        """At a boot, before anything else is loaded: the arena of the version on trial, while the heap is in one piece."""
        try:
            header, _, _, engine = self._serving.look(self._slots.tried(entry), entry.trial.image)
            more = header.arena - len(self._serving.arena)
            if engine.SHARED and more <= self._system.sample_heap() - _BOOT_ROOM:
                self._serving.reserve(header.arena)
        except (MulliganError, MemoryError):
            pass  # the trial will say what is wrong

    def run(self, entry, loaded, since):
        """A generator: one attempt at the trial of ``entry`` that was started, to its end.

        ``loaded``: what Serving.load() gave for the version, or the exception that it raised; ``since``: Clock.ticks_ms() before.
        Each step runs one golden vector, or one live input in shadow; it gives the milliseconds until the next is due. Its value:
        whether there was a verdict, either way.
        """
        trial = entry.trial
        self._since = since
        ready = False
        verdict = True
        try:
            if isinstance(loaded, Exception):
                raise loaded
            header, candidate = loaded
            served = self._serving.served(entry.name)
            shadow = health.Shadow(header, trial.rules) if served and trial.rules.shadow_runs else None
            ready = True
            yield from self._golden(entry, header, candidate)
            self._system.guard(self._left_ms(trial))  # it is the app's turn now: this stands over the whole wait, and is not fed
            if shadow:
                yield from self._shadow(entry, shadow, served, candidate.engine)
                self._judge_memory(entry, candidate)
            while self._serving.busy(entry.name):
                yield _WAIT_MS
                self._pass(trial, "passed, but the app did not let go of the old version")
        except (FlashError, _Waited) as e:
            self._tick()
            self.roll_back(entry, e, False)
            verdict = False
        except Exception as e:  # whatever a version on trial raises counts against it, and must not stop the updater
            if not ready and isinstance(e, (MemoryError, NoMemory)):
                self._try_from_a_reset(entry, e)
            self._tick()
            verdict = self.roll_back(entry, e, True)
        else:
            self._confirm(entry, candidate)
        self._system.release()
        return verdict

    def roll_back(self, entry, reason, freeze):
        """End the trial: the confirmed version stays. ``freeze`` where the version itself was at fault.

        A slot that no longer holds what was verified exonerates the version. Returns whether it was frozen.
        """
        version = entry.trial.image.version
        freeze = freeze and self._intact(entry)
        entry.roll_back(freeze)
        self._journal.commit()  # cut before: one more attempt, or this again; after: done
        self._report(
            "rolled-back", name=entry.name, version=version, ms=self._elapsed_ms, reason=described(reason)
        )
        return freeze

    def _try_from_a_reset(self, entry, reason):
        """Too little memory may be the state of the heap and not the version's need: reset while attempts are left."""
        if self._journal.faults() + 1 < entry.trial.rules.attempts:
            self._report("resetting", name=entry.name, version=entry.trial.image.version, reason=described(reason))
            self._system.reset()

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
        self._report("confirmed", name=entry.name, version=entry.image.version, ms=self._elapsed_ms)

    def _golden(self, entry, header, candidate):
        """The golden vectors, one a step. Only their progress feeds the watchdog, and the deadline stands over all."""
        trial = entry.trial
        arena, free = self._judge_memory(entry, candidate)
        checks = health.golden(candidate, header, self._slots.tried(entry), trial.rules, self._clock)
        while True:
            try:
                next(checks)
            except StopIteration as done:
                correct, latencies = done.value
                break
            self._progress(trial)
            yield _YIELD_MS
            self._progress(trial)
        self._progress(trial)
        self._report(
            "healthy",
            name=entry.name,
            version=trial.image.version,
            correct="{}/{}".format(correct, header.golden),
            arena=arena,
            heap=free,
            **latencies.facts()
        )

    def _shadow(self, entry, shadow, served, engine):
        """Live inputs of the app as well. The app's answers are not touched: the version runs in the steps between them."""
        trial = entry.trial

        def running(yes):
            self._system.guard(trial.rules.watchdog_ms if yes else self._left_ms(trial))

        served.shadow = shadow
        try:
            for _ in shadow.steps(engine, self._clock, running):
                yield _WAIT_MS
                self._pass(trial, "shadow_runs: {} of {} live inputs seen".format(shadow.runs, trial.rules.shadow_runs))
        finally:
            served.shadow = None
            self._report(
                "shadow", name=entry.name, version=trial.image.version, runs=shadow.runs, agreed=shadow.agreed,
                exact=shadow.exact, **shadow.latencies.facts()
            )  # fmt: skip

    def _judge_memory(self, entry, candidate):
        arena, free = candidate.shared or candidate.engine.describe().arena, self._system.sample_heap()
        health.memory(entry.trial.rules, arena, free)
        return arena, free

    def _progress(self, trial):
        """The version got on: feed the watchdog. Raises: HealthError past the deadline."""
        self._system.feed()
        if self._overdue(trial):
            raise HealthError("deadline_ms: no verdict within {} ms".format(trial.rules.deadline_ms))

    def _pass(self, trial, missing):
        """Time passes while the app has its turn. Raises: _Waited past the deadline."""
        if self._overdue(trial):
            raise _Waited("{} within {} ms".format(missing, trial.rules.deadline_ms))

    def _left_ms(self, trial):
        """The rest of the deadline, and the watchdog's time after it."""
        return max(0, trial.rules.deadline_ms - self._elapsed_ms) + trial.rules.watchdog_ms

    def _overdue(self, trial):
        self._tick()
        return self._elapsed_ms > trial.rules.deadline_ms

    def _tick(self):
        now = self._clock.ticks_ms()
        self._elapsed_ms += self._clock.elapsed_ms(self._since)
        self._since = now
