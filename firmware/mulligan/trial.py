"""Trials: a set of versions runs under health checks and the watchdog, and is confirmed or rolled back as a whole.

Models and config are tried in place: the confirmed version stays in service until the golden vectors have passed. With a firmware
or an app in it, a set is tried from a reset, and is in service from the start. Only in memory while there is a trial, or one
begins.
"""

from . import health
from .borrow import Borrowed
from .core.bootwords import DEEP_SLEEP
from .core.digest import digest_of
from .core.errors import FlashError, FormatError, HealthError, MulliganError, NoMemory, described
from .core.state import PARTS, needs_reset, together

_YIELD_MS = 0  # what a step returns while there is more to do at once
_WAIT_MS = 20  # and while it waits for the app
_BOOT_ROOM = 28672  # bytes that the arena of a version on trial leaves at a boot: to load the confirmed version, and the rest
_SWITCH_MS = 30000  # watchdog over set_boot, which hashes a whole firmware
_MOST_REST = 1023  # polls between two tries of a set whose trials end without a verdict
_HOLDS_NO_MORE = "{} no longer holds what was verified"


class Waited(HealthError):
    """The deadline came while the trial waited for the app or the network: not the version's fault."""


class Trials:
    """Begins, runs and ends trials. ``ports``: journal, slots, serving, system, clock and report.

    ``report(event, **facts)`` is told of each turn. ``since``: Clock.ticks_ms() from which an attempt counts its time.
    """

    def __init__(self, ports, since=0):
        self._ports = ports
        self._journal, self._slots, self._serving, self._system, self._clock, self._report = ports
        self._elapsed_ms = 0
        self._spent = 0  # parts of the deadline that the journal knows to have passed
        self._slept = False
        self._since = since

    def begin(self, items, sequence, linked):
        """Activate the ``items`` of trials.begin(), verified and fit: on trial from this record on."""
        entries = [item[0] for item in items]
        state = self._journal.state
        before = state.entries
        state.entries = before + [entry for entry in entries if entry not in before]
        state.linked = linked
        for entry, image, rules, hard_floor in items:
            entry.begin(image, sequence, rules, hard_floor)
        try:
            self._journal.commit()  # cut before: the old set; after: a trial that the next boot finds
            for entry in entries:
                self._report("activated", name=entry.name, version=entry.trial.image.version, slot=entry.trial.slot)
            if self._firmware(entries):
                self.arm(entries)
            elif needs_reset(entries):
                self._system.reset()
            else:
                self.start(entries)
        except FormatError:  # more than a record holds
            for entry in entries:
                entry.roll_back(False)
            state.entries = before
            raise
        except MemoryError:
            if not self._journal.state.on_trial():
                raise
            self._system.reset()  # the record stands, or only the next boot can tell: that goes on with what there is

    def start(self, entries):
        """Count a start of the trial, and stand the watchdog over it: before the app, or anything of the version, runs."""
        # Cut before: a boot that nobody counts; after: one that is found if it fails.
        self._journal.mark_start(self._system.reset_cause() == DEEP_SLEEP and self._journal.starts() > 0)
        _, deadline_ms, watchdog_ms = self._limits(entries)
        # From a reset, the app has yet to come to its first step.
        self._system.guard(watchdog_ms + (deadline_ms if needs_reset(entries) else 0))

    def arm(self, entries):
        """Count a start, and have the bootloader start the firmware on trial. Does not return, but where that can't be."""
        entry = next(entry for entry in entries if entry.plane == "firmware")
        self._journal.mark_start()  # cut before or after: the old firmware boots, and arms again
        self._system.guard(_SWITCH_MS)
        try:
            if not self._intact(entry):
                raise FlashError(_HOLDS_NO_MORE.format(self._slots.tried(entry).label))
            self._system.select(entry.trial.slot)  # cut: the old firmware boots, or the new one
        except FlashError as e:
            self.roll_back(entries, e, [])
            return
        self._system.reset()

    def make_room(self, entries):
        """At a boot, before anything else is loaded: the arena of the versions on trial, while the heap is in one piece."""
        for entry in entries:
            if entry.plane == "model":
                try:
                    header, _, _, engine = self._serving.look(self._slots.tried(entry), entry.trial.image)
                    more = header.arena - len(self._serving.arena)
                    if engine.SHARED and more <= self._system.sample_heap() - _BOOT_ROOM:
                        self._serving.reserve(header.arena)
                except (MulliganError, MemoryError):
                    pass  # the trial will say what is wrong

    def run(self, entries, loaded, probe):
        """A generator: one attempt at the trial of ``entries`` that was started, to its end.

        loaded: {entry of a model: what Serving.load() gave for its version, or the exception that it raised}; probe: as for
        `live.run`. Each step runs one golden vector, one live input in shadow, or one check; it gives the milliseconds until the
        next is due.
        """
        self._spent = self._journal.spent()
        self._slept = self._spent > 0
        self._elapsed_ms = self._limits(entries)[1] * self._spent // PARTS
        at = None  # the entry whose version is at work
        try:
            for at in loaded:
                if isinstance(loaded[at], Exception):
                    raise loaded[at]
                header, candidate = loaded[at]
                served = None if needs_reset(entries) else self._serving.served(at.name)
                shadow = health.Shadow(header, at.trial.rules) if served and at.trial.rules.shadow_runs else None
                yield from self._golden(at, entries, header, candidate)
                if shadow:
                    self._system.guard(self.left_ms(entries))
                    yield from self._shadow(at, entries, shadow, served, candidate.engine)
                    self._judge_memory(at, candidate)
            at = None
            self._system.guard(self.left_ms(entries))  # it is the app's turn now: this stands over the wait, and is not fed
            watched = needs_reset(entries) or self._serving.checks or any(r.live_runs or r.confirm for r in self._rules(entries))
            if watched:
                yield from self._let_go(entries, loaded)
                with Borrowed("live") as live:
                    yield from live.run(self, self._ports, entries, loaded, probe)
            for entry in entries:  # no golden vector sees each bit
                if not (yield from self._holds(entry)):
                    raise FlashError(_HOLDS_NO_MORE.format(self._slots.tried(entry).label))
            if not watched:
                yield from self._let_go(entries, loaded)
            if self._firmware(entries):
                self._system.keep()  # cut: the bootloader starts the old firmware, which arms again, or the new one
            before = self.swap(entries, loaded)
        except (FlashError, Waited) as e:
            self._end(entries, e, [])
        except Exception as e:  # whatever a version on trial raises counts against it, and must not stop the updater
            if isinstance(e, (MemoryError, NoMemory)):
                self._try_from_a_reset(entries, e)
            self._end(entries, e, [at] if at else entries)
        else:
            self._confirm(entries, before)

    def roll_back(self, entries, reason, blamed):
        """End the trial: the confirmed versions stay. ``blamed``: the entries whose versions were at fault.

        A slot that no longer holds what was verified exonerates its version.
        """
        state = self._journal.state
        ended = [(entry, entry.trial, entry in blamed and self._intact(entry)) for entry in entries if entry.trial]
        state.rest = 0 if any(freeze for _, _, freeze in ended) else min(2 * state.rest + 1, _MOST_REST)
        for entry, _, freeze in ended:
            entry.roll_back(freeze)
        self._journal.commit()  # cut before: one more attempt, or this again; after: done
        for entry, trial, _ in ended:
            version = trial.image.version
            self._report("rolled-back", name=entry.name, version=version, ms=self._elapsed_ms, reason=described(reason))
        for entry, trial, _ in ended:
            if entry.plane == "firmware" and trial.slot == self._slots.running:
                try:
                    self._system.select(entry.slot)  # cut: what runs is not what is confirmed, and the next boot returns
                except FlashError as e:
                    self._report("stray", slot=trial.slot, reason=described(e))
                self._system.reset()

    def _end(self, entries, reason, blamed):
        self._tick()
        try:
            self.roll_back(entries, reason, blamed)
        except MemoryError:  # before the record: one more attempt; after it: nobody hears of it
            if self._journal.lost or self._journal.state.on_trial():
                raise
        if needs_reset(entries):
            self._system.reset()

    def _try_from_a_reset(self, entries, reason):
        """Too little memory may be the state of the heap and not the version's need: reset while attempts are left."""
        if self._journal.faults() + 1 < self._limits(entries)[0]:
            self._report("resetting", name=entries[0].name, version=entries[0].trial.image.version, reason=described(reason))
            self._system.reset()

    def _let_go(self, entries, loaded):
        """Wait until the app is in no ``with`` on a model that is to be swapped."""
        for entry in loaded:
            while not needs_reset(entries) and self._serving.busy(entry.name):
                yield _WAIT_MS
                self.wait(entries, "passed, but the app did not let go of the old version")

    def _holds(self, entry):
        """A generator whose value is whether the slot on trial still holds what was verified."""
        digest = digest_of(self._slots.tried(entry), entry.trial.image.length)
        while True:
            try:
                next(digest)
            except StopIteration as done:
                return done.value == entry.trial.image.sha256
            self._system.feed()
            yield _YIELD_MS

    def _intact(self, entry):
        steps = self._holds(entry)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                return done.value
            except FlashError:
                return False

    def _confirm(self, entries, before):
        state = self._journal.state
        state.sequence = max([state.sequence] + [entry.trial.sequence for entry in entries])
        state.rest = 0
        for entry in entries:
            entry.confirm()
        try:
            self._journal.commit()  # cut before: the trial runs again; after: the new set
        except (FlashError, MemoryError):
            self.undo(before)
            raise
        for entry in entries:
            self._report("confirmed", name=entry.name, version=entry.image.version, ms=self._elapsed_ms)

    def swap(self, entries, loaded):
        """Have the versions on trial answer the app, those of them that were not from the reset on; undo() takes it back.

        Raises: MemoryError, nothing changed.
        """
        serving = self._serving
        before = [(entry.name, serving.served(entry.name)) for entry in loaded], serving.config
        values = serving.config
        for entry in entries:
            if entry.plane == "config":
                with Borrowed("planes.config") as config:
                    values = config.read(self._slots.tried(entry), entry.trial.image)
        serving.config = values
        for entry in loaded:
            serving.put(entry.name, loaded[entry][1])
        return before

    def undo(self, before):
        """``before``: what swap() gave."""
        models, self._serving.config = before
        for name, served in models:
            self._serving.put(name, served)

    def _golden(self, entry, entries, header, candidate):
        """The golden vectors, one a step. Only their progress feeds the watchdog, and the deadline stands over all."""
        self._system.guard(self._limits(entries)[2])
        arena, free = self._judge_memory(entry, candidate)
        checks = health.golden(candidate, header, self._slots.tried(entry), entry.trial.rules, self._clock)
        while True:
            try:
                next(checks)
            except StopIteration as done:
                correct, latencies = done.value
                break
            self.progress(entries)
            yield _YIELD_MS
            self.progress(entries)
        self.progress(entries)
        self._report(
            "healthy",
            name=entry.name,
            version=entry.trial.image.version,
            correct="{}/{}".format(correct, header.golden),
            arena=arena,
            heap=free,
            **latencies.facts()
        )

    def _shadow(self, entry, entries, shadow, served, engine):
        """Live inputs of the app as well. The app's answers are not touched: the version runs in the steps between them."""

        def running(yes):
            self._system.guard(self._limits(entries)[2] if yes else self.left_ms(entries))

        rules = entry.trial.rules
        served.shadow = shadow
        try:
            for _ in shadow.steps(engine, self._clock, running):
                yield _WAIT_MS
                self.wait(entries, "shadow_runs: {} of {} live inputs seen".format(shadow.runs, rules.shadow_runs))
        finally:
            served.shadow = None
            self._report(
                "shadow", name=entry.name, version=entry.trial.image.version, runs=shadow.runs, agreed=shadow.agreed,
                exact=shadow.exact, **shadow.latencies.facts()
            )  # fmt: skip

    def _judge_memory(self, entry, candidate):
        arena, free = candidate.shared or candidate.engine.describe().arena, self._system.sample_heap()
        health.memory(entry.trial.rules, arena, free)
        return arena, free

    def progress(self, entries):
        """The set got on: feed the watchdog. Raises: HealthError past the deadline; Waited if it has slept in between, as it then
        began anew each time."""
        self._system.feed()
        self.wait(entries, "deadline_ms: no verdict", Waited if self._slept else HealthError)

    def wait(self, entries, missing, error=Waited):
        """Time passes while the app has its turn. Raises: ``error`` past the deadline."""
        if self._overdue(entries):
            raise error("{} within {} ms".format(missing, self._limits(entries)[1]))

    def _rules(self, entries):
        return [entry.trial.rules for entry in entries]

    def _limits(self, entries):
        return together(self._rules(entries))

    def _firmware(self, entries):
        return any(entry.plane == "firmware" for entry in entries)

    def left_ms(self, entries):
        """The rest of the deadline, and the watchdog's time after it."""
        _, deadline_ms, watchdog_ms = self._limits(entries)
        return max(0, deadline_ms - self._elapsed_ms) + watchdog_ms

    def _overdue(self, entries):
        self._tick()
        deadline_ms = self._limits(entries)[1]
        while self._spent + 1 < PARTS and self._elapsed_ms * PARTS > deadline_ms * (self._spent + 1):
            self._spent += 1
            self._journal.mark_spent()  # so that a sleep does not begin the deadline anew
        return self._elapsed_ms > deadline_ms

    def _tick(self):
        now = self._clock.ticks_ms()
        self._elapsed_ms += self._clock.elapsed_ms(self._since)
        self._since = now
