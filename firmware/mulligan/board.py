"""The composition root: the only place where ports, policy and the app's side are wired to each other."""

import os

from .agent import Agent
from .borrow import Borrowed
from .core import layout
from .core.errors import FlashError, FormatError, NoSlot, NotAvailable
from .core.journal import Journal
from .logbook import Log
from .port import system
from .serving import Serving
from .slots import Slots

_CONFIG = "mulligan.json"  # in the root of vfs, beside boot.py
_WELL_MS = 30000  # of steps, after which a boot was good
_RECOVERY_MS = 120000  # watchdog over a step of the agent alone: more than its longest call


class Device:
    """This board. Building it is its boot: a failed trial is rolled back, and what is confirmed is put into service.

    ``recovering``: the board is there for its agent alone, and nothing of the app is to run: call recover(). ``heir``: the app
    slot whose package is to boot in place of this one, from the slot ``carrier``; tried: this is that boot.
    """

    def __init__(self, report, carrier=None, tried=False):
        self._root = os.getcwd().rstrip("/") + "/"
        self._system = system.System()
        self._clock = system.Clock()
        with Borrowed("port.partitions") as partitions:
            found = partitions.find(layout.EVENTS)
            self._report = report = Log(report, found[0] if found else None, self._clock.now)
            self._journal = Journal(partitions.find_one(layout.JOURNAL, "journal"), report)
            pairs = partitions.pairs()
            self._keys = partitions.find(layout.KEYS)
        slots = Slots(pairs, self._system.firmware()[0] if "firmware" in pairs else None, carrier)
        self.serving = Serving(self._system.work)
        self._ports = (self._journal, slots, self.serving, self._system, self._clock, report)
        self._longest_us = 0
        self._uncounted = False  # by the journal: the event log counts faults in its place
        self.recovering, self.heir = False, None
        with Borrowed("startup") as startup:
            try:
                action = startup.decide(self._ports, tried)
            except FlashError as e:  # a journal that takes no record must not keep the board from serving what it has
                action = startup.uncounted(self._ports, e)
                self._uncounted = True
            app = self._journal.state.only("app")
            if carrier is not None:
                startup.came_up(report)
            if action == "try" and carrier is not None and app and app.trial and app.trial.slot != carrier:
                self.heir = app.trial.slot
                return
            with Borrowed("settings") as settings:
                try:
                    self._config = settings.parse(self._read(_CONFIG))
                except (NotAvailable, FormatError) as e:  # a vfs that lost it must not keep the board from serving what it has
                    report("unconfigured", code=e.code, reason=e)
                    self._config = settings.parse(settings.NONE)
            self.serving.engine = self._config.engine
            self.recovering = action == "recover" or self._system.held(self._config.recovery_pin)
            if not self.recovering:
                self.recovering = not startup.serve_all(self._ports, action == "try", self._config.watchdog_ms)
        if self._config.url and len(self._keys) != 1:
            raise NoSlot("the partition table has no keys partition: flash a layout of Mulligan's")
        self._failed = self._journal.faults() > self._journal.starts() or self._uncounted
        client = _Client(self._credentials, self._clock.now)
        self._agent = Agent(self._config, self._keys[0] if self._keys else None, client, self._ports)
        self._steps = self._agent.steps()

    def step(self):
        """Do the next bit of work; returns the milliseconds until there is more. Longest blocking call: see Agent.steps()."""
        if not self._journal.state.on_trial():
            self._system.feed()  # on trial, only the trial's own progress feeds it
            if self._failed and self._clock.elapsed_ms(self._system.since) > _WELL_MS and not self.recovering:
                self._failed = False
                try:
                    self._journal.forgive()
                except FlashError as e:  # then the failures stand
                    self._report("unwritten", code=e.code, reason=e)
                if self._uncounted:
                    self._report("uncounted", failures=0)
        started = self._clock.ticks_us()
        wait_ms = next(self._steps)
        self._longest_us = max(self._longest_us, self._clock.elapsed_us(started))
        return wait_ms

    def take(self, source):
        """Have the next steps poll ``source``, a client as for agent.Agent, once, before the network again."""
        self._steps.close()
        self._steps = self._agent.steps(source)

    def recover(self):
        """The agent alone, until it has brought a release that is confirmed; then a reset. Never returns."""
        self._report("recovery")
        self._system.guard(_RECOVERY_MS)
        if self._config.ssid:
            self._system.connect(self._config.ssid, self._config.password)
        state = self._journal.state
        before = [(entry.name, entry.image) for entry in state.entries]
        while state.on_trial() or [(entry.name, entry.image) for entry in state.entries] == before:
            wait_ms = self.step()
            self._system.sleep(wait_ms)
            state = self._journal.state
        self._system.reset()

    def confirm(self):
        """What is on trial is good, says the app."""
        self.serving.confirmed = bool(self._journal.state.on_trial())

    def by_hand(self, what, *arguments):
        """One of the functions of `byhand`, which see."""
        with Borrowed("byhand") as byhand:
            return getattr(byhand, what)(self._ports, *arguments)

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
                    "spare": entry.spare.version if entry.spare else None,
                    "frozen": len(entry.frozen),
                    "floor": entry.floor,
                    "shadow": self.serving.shadow(entry.name),
                }
                for entry in state.entries
            ],
        }

    def log(self):
        """The event log, oldest first, as a list of dicts of plain values."""
        return self._report.read()

    def _credentials(self):
        """What TLS needs, read when it is needed: a file that is missing stops no boot."""
        config = self._config
        return [self._read(path) if path else None for path in (config.ca, config.cert, config.key)]

    def _read(self, path):
        """A file of vfs, whatever the app has made its directory."""
        try:
            with open(self._root + path, "rb") as f:
                return f.read()
        except OSError:
            raise NotAvailable("{} is missing in the root of vfs".format(path))


class _Client:
    """http.Client, in memory only while it makes a request. As long as the answer's body lives, so does `link`."""

    def __init__(self, credentials, now):
        self._credentials = credentials
        self._now = now

    def get(self, url, start, limit, tag=""):
        with Borrowed("port.http") as http:
            return http.Client(self._credentials, self._now).get(url, start, limit, tag)

    def post(self, url, body):
        with Borrowed("port.http") as http:
            http.Client(self._credentials, self._now).post(url, body)


def console(event, **facts):
    """Report as one line on the serial console: ``mulligan: event key=value …``, the reason last."""
    reason = facts.pop("reason", None)
    words = ["mulligan:", event] + ["{}={}".format(key, facts[key]) for key in sorted(facts)]
    print(" ".join(words) + (" reason=" + str(reason) if reason is not None else ""))


_device = None


def device(*carried):
    """The one Device, built at the first call; ``carried``: as it takes them."""
    global _device
    if _device is None:
        _device = Device(console, *carried)
    return _device
