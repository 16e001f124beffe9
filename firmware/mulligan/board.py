"""The composition root: the only place where ports, policy and the app's side are wired to each other."""

import sys

from . import trials
from .agent import Agent
from .borrow import Borrowed
from .core import layout
from .core.errors import FlashError, NotAvailable
from .core.journal import Journal
from .port import system
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
        with Borrowed("port.partitions") as partitions:
            self._journal = Journal(partitions.find_one(layout.JOURNAL, "journal"), report)
            slots = Slots(partitions.model_pairs())
        self.serving = Serving(self._system.work)
        self._ports = (self._journal, slots, self.serving, self._system, self._clock, report)
        self._longest_us = 0
        with Borrowed("startup") as startup:
            try:
                tried = startup.decide(self._ports)
            except FlashError as e:  # a journal that takes no record must not keep the board from serving what it has
                report("unwritten", code=e.code, reason=e)
                tried = False
            with Borrowed("config") as config:
                self._config = config.parse(_read(_CONFIG))
            self.serving.engine = self._config.engine
            startup.serve_all(self._ports, tried)
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

    def _agent(self):
        with Borrowed("port.partitions") as partitions:
            keys = partitions.find_one(layout.KEYS, "keys")
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

    def get(self, url, start, limit, tag=""):
        with Borrowed("port.http") as http:
            return http.Client(self._credentials, self._now).get(url, start, limit, tag)


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


_device = None


def device():
    """The one Device, built at the first call."""
    global _device
    if _device is None:
        _device = Device(console)
    return _device
