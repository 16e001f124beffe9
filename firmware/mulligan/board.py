"""The composition root: the only place where ports, policy and the app's side are wired to each other."""

import sys

from . import trials
from .agent import Agent
from .borrow import BOOTCHOOSER, CONFIG, HTTP, TRIAL, Borrowed
from .core import layout
from .core.digest import digest_of
from .core.errors import MulliganError, NoMemory, NotAvailable, described
from .core.journal import Journal
from .port import flash, system
from .serving import Serving
from .slots import Slots

_CONFIG = "mulligan.json"  # in the root of vfs, beside boot.py
_IDLE_MS = 60000


class Device:
    """This board. Building it is its boot: a failed trial is rolled back, and the confirmed models are put into service."""

    def __init__(self, report):
        self._report = report
        self._system = system.System()
        self._clock = system.Clock()
        self._journal = Journal(flash.find_one(layout.JOURNAL, "journal"))
        self._slots = Slots(flash.model_pairs())
        self.serving = Serving(self._system.work)
        self._ports = (self._journal, self._slots, self.serving, self._system, self._clock, report)
        self._longest_us = 0
        tried = self._decide()
        with Borrowed(CONFIG) as config:
            self._config = config.parse(_read(_CONFIG))
        self.serving.engine = self._config.engine
        self._serve_all(tried)
        self._steps = self._agent().steps() if self._config.url else self._idle()

    def step(self):
        """Do the next bit of work; returns the milliseconds until there is more. Longest blocking call: see Agent.steps()."""
        if not self._journal.state.on_trial():
            self._system.feed()  # on trial, only the trial's own progress feeds it
        started = self._clock.ticks_us()
        wait_ms = next(self._steps)
        self._longest_us = max(self._longest_us, self._clock.elapsed_us(started))
        return wait_ms

    async def run(self):
        """Step for ever beside the app's other tasks."""
        import asyncio

        while True:
            wait_ms = self.step()
            await asyncio.sleep_ms(wait_ms if self._clock.idle_ms(wait_ms) else 0)

    def status(self):
        """What the device knows of itself, as plain values."""
        state = self._journal.state
        return {
            "board": self._config.board,
            "sequence": state.sequence,
            "heap": self._system.heap,
            "heap_peak": self._system.heap_peak,
            "longest_step_us": self._longest_us,
            "artifacts": [
                {
                    "plane": entry.plane,
                    "name": entry.name,
                    "version": entry.image.version if entry.image else None,
                    "slot": entry.slot,
                    "trial": entry.trial.image.version if entry.trial else None,
                    "floor": entry.floor,
                    "shadow": self.serving.shadow(entry.name),
                }
                for entry in state.entries
            ],
        }

    def _decide(self):
        """What this boot is to do about a trial, done as far as the journal goes; whether it is tried again."""
        cause = self._system.reset_cause()
        journal = self._journal
        entry = journal.state.on_trial()
        attempts = entry.trial.rules.attempts if entry else 0
        with Borrowed(BOOTCHOOSER) as bootchooser:
            action, fault = bootchooser.choose(entry is not None, journal.starts(), journal.faults(), attempts, cause)
            roll_back = action == bootchooser.ROLL_BACK
            tried = action == bootchooser.TRY
            by = "watchdog" if cause == bootchooser.WATCHDOG else "other"
        if fault:
            journal.mark_fault()
        self._report("boot", cause=cause, action=action.replace(" ", "-"))
        if roll_back:
            reason = "{} failed starts, the last by {} reset".format(journal.faults(), by)
            with Borrowed(TRIAL) as trial:
                trial.Trials(self._ports).roll_back(entry, reason, journal.faults() > 0)
        elif tried:
            with Borrowed(TRIAL) as trial:
                trial.Trials(self._ports).start(entry)
        return tried

    def _serve_all(self, tried):
        if tried:
            with Borrowed(TRIAL) as trial:
                trial.Trials(self._ports).make_room(self._journal.state.on_trial())
        for entry in self._journal.state.entries:
            if entry.slot is not None:
                self._serve(entry)
        if not tried:
            self._system.release()  # not before all of that is done: boot.py's watchdog stands over it

    def _serve(self, entry):
        """Put the confirmed model into service, if its slot still holds it."""
        region = self._slots.active(entry)
        if _finish(digest_of(region, entry.image.length)) != entry.image.sha256:
            self._report("damaged", name=entry.name, version=entry.image.version, slot=entry.slot)
            entry.slot = entry.image = None
            self._journal.commit()  # the agent installs anew: what is lost is no longer taken for installed
            return
        try:
            try:
                served = self.serving.load(region, entry.image)[1]
            except (NoMemory, MemoryError):
                self.serving.trim()  # the confirmed version comes before the room that a trial was given
                served = self.serving.load(region, entry.image)[1]
        except (MulliganError, MemoryError, OSError) as e:  # the agent must live: the next release can mend it
            self._report("not-serving", name=entry.name, version=entry.image.version, slot=entry.slot, reason=described(e))
            return
        self.serving.put(entry.name, served)
        self._report("serving", name=entry.name, version=entry.image.version, slot=entry.slot)

    def _agent(self):
        keys = flash.find_one(layout.KEYS, "keys")
        client = _Client(self._credentials, self._clock.now)
        versions = {"firmware": "{}.{}.{}".format(*sys.implementation.version[:3])}
        return Agent(self._config, keys, client, versions, self._ports)

    def _credentials(self):
        """What TLS needs, read when it is needed: a file that is missing stops no boot."""
        config = self._config
        return [_read(path) if path else None for path in (config.ca, config.cert, config.key)]

    def _idle(self):
        """Without a URL there is only a trial to finish."""
        if self._journal.state.on_trial():
            yield from trials.attempt(self._ports)
        while True:
            yield _IDLE_MS


class _Client:
    """http.Client, in memory only while it makes a request. As long as the answer's body lives, so does `link`."""

    def __init__(self, credentials, now):
        self._credentials = credentials
        self._now = now

    def get(self, url, start, limit):
        with Borrowed(HTTP) as http:
            return http.Client(self._credentials, self._now).get(url, start, limit)


def console(event, **facts):
    """Report as one line on the serial console: ``mulligan: event key=value …``, the reason last."""
    reason = facts.pop("reason", None)
    words = ["mulligan:", event] + ["{}={}".format(key, facts[key]) for key in sorted(facts)]
    print(" ".join(words) + (" reason=" + str(reason) if reason is not None else ""))


def _read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        raise NotAvailable("{} is missing in the root of vfs".format(path))


def _finish(generator):
    """Run a generator to its end; its value."""
    while True:
        try:
            next(generator)
        except StopIteration as done:
            return done.value


_device = None


def device():
    """The one Device, built at the first call."""
    global _device
    if _device is None:
        _device = Device(console)
    return _device
