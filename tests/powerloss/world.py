"""A board under one scenario: switched on with some flash, run until it is quiet, and judged at each flash operation.

What the flash holds is all that outlives a power cut, and the device is deterministic: so what a board does with a content is
found out once, whichever cuts led to it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

from mulligan.core import keyset, partitions
from mulligan.core.journal import Journal
from mulligan.core.p256 import verify
from mulligan.core.state import Entry, State
from mulligan_host.models.source import ByteSource
from mulligan_host.partitions import find
from mulligan_host.virtual.chip import Chip
from mulligan_host.virtual.firmware import Firmware
from mulligan_host.virtual.flash import SECTOR
from mulligan_host.virtual.protocol import Cause
from powerloss import device
from powerloss.nor import Content, Fault, Operation, TracedFlash

MOST_BOOTS = 8
"""Of one run, resets that the device asks for included."""
MOST_POLLS = 12
"""After which a run that has not come to its end never will."""
MAC = b"\x24\x0a\xc4\x00\x00\x01"


class Facts(NamedTuple):
    """What a flash says that the device is: which versions are in force, and what it may install from now on.

    ``versions``: (plane, name, version), with "?" where the confirmed slot does not hold what the journal says.
    """

    versions: tuple[tuple[str, str, str], ...]
    floors: tuple[tuple[int, int], ...]
    sequence: int
    root: int
    frozen: int

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {version}" for _, name, version in self.versions) or "nothing"
        floors = "/".join(f"{floor}" + (f" hard {hard}" if hard else "") for floor, hard in self.floors)
        return f"{versions}, floor {floors or '-'}, sequence {self.sequence}, root {self.root}, {self.frozen} frozen"


@dataclass(frozen=True)
class Scenario:
    """A board and what it is in for. ``stages``: what it may be at any moment, in their order, each as str(Facts) says it.

    ``hangs``: the version whose inference never ends; ``rots``: flash loses bits, so that a stage may come again.
    """

    name: str
    base: bytes
    start: Content
    site: device.Site
    stages: tuple[str, ...]
    config: Mapping[str, object] = field(default_factory=dict)
    hangs: str = ""
    rots: bool = False


@dataclass
class Run:
    """What a board did from one power-on until it was quiet."""

    operations: list[Operation]
    end: Content
    boots: int
    served: list[str]
    """The versions that answered the app, in their order."""
    requests: list[str]


class Broken(BaseException):
    """A promise does not hold. Not an Exception, which the device would catch and go on."""


class World:
    """The boards of one scenario. ``board``: the module `mulligan.board`, as device.wired() gives it."""

    def __init__(self, board: Any, scenario: Scenario, outputs: Mapping[str, bytes], sample: bytes) -> None:
        self.scenario = scenario
        self._board = board
        self._outputs = outputs
        self._sample = sample
        self.flash = TracedFlash(scenario.base)
        self.flash.on_operation = self._watch  # type: ignore[method-assign]
        self.rows = partitions.decode(scenario.base[partitions.TABLE_OFFSET :][: partitions.TABLE_SIZE])
        self._runs: dict[tuple[tuple[int, bytes], ...], Run] = {}
        self._facts: dict[tuple[tuple[int, bytes], ...], tuple[Facts, State]] = {}
        self._loaded: dict[tuple[object, ...], Firmware | None] = {}
        self._config = json.dumps({"board": "virtual", "url": "http://site/", "poll_ms": 500, **scenario.config}).encode()
        self._state = State()
        self._stage = 0
        self._app = False
        self._endless = False

    @property
    def distinct(self) -> int:
        """How many different contents of the flash were run."""
        return len(self._runs)

    def run(self, content: Content) -> Run:
        """Switch a board with ``content`` on; what it did. Raises: Broken."""
        key = tuple(sorted(content.items()))
        if key not in self._runs:
            self._runs[key] = self._run(content)
        return self._runs[key]

    def facts(self, content: Content) -> tuple[Facts, State]:
        """What a flash says."""
        key = tuple(sorted(content.items()))
        if key not in self._facts:
            self._facts[key] = self._read(content)
        return self._facts[key]

    def _read(self, content: Content) -> tuple[Facts, State]:
        state: State = Journal(ByteSource(self._partition("journal", content))).state
        keys = ByteSource(self._partition("keys", content))
        root = keyset.trusted(keys, state.keys, verify)[0].number
        versions, floors, frozen = [], [], 0
        for entry in state.entries:
            frozen += len(entry.frozen)
            if entry.image is None:
                continue
            held = self._partition(f"{entry.plane}_{entry.slot}", content)[: entry.image.length]
            right = sha256(held).digest() == entry.image.sha256
            versions.append((entry.plane, entry.name, entry.image.version if right else "?"))
            floors.append((entry.floor, entry.hard_floor))
        return Facts(tuple(versions), tuple(floors), state.sequence, root, frozen), state

    def _partition(self, label: str, content: Content) -> bytes:
        row = find(self.rows, label)
        first = row.offset // SECTOR
        return b"".join(self.flash.original(content, sector) for sector in range(first, first + row.size // SECTOR))

    def faulty(self, content: Content, fault: Fault) -> Run:
        """Switch a board on whose flash has a fault; it may never come to its end. Raises: Broken."""
        self.flash.fault, self._endless = fault, True
        try:
            return self._run(content)
        finally:
            self.flash.fault, self._endless = None, False

    # One run

    def _run(self, content: Content) -> Run:
        self.flash.load(content)
        chip = Chip(self.flash, MAC, self._violation)
        device.link.chip, device.current.site, device.current.config = chip, self.scenario.site, self._config
        device.link.on_work = self._hang if self.scenario.hangs else None
        self.scenario.site.reset()
        served: list[str] = []
        self._stage = 0
        self._check(content)
        boots, cause = 0, Cause.POWER_ON
        while True:
            boots += 1
            if boots > MOST_BOOTS:
                raise Broken(f"{MOST_BOOTS} boots, and no end")
            try:
                if chip.start(cause) is None:
                    raise Broken("a brick: no app loads")
                self._program(chip, served)
            except device.Ended as e:
                if e.cause is None:
                    raise
                cause = e.cause
                continue
            return Run(self.flash.operations, self.flash.content, boots, served, self.scenario.site.requests)

    def _program(self, chip: Chip, served: list[str]) -> None:
        """boot.py, then an app that infers and steps."""
        self.reports: list[str] = []
        running = self._board.Device(self._report)
        polls = 0
        while True:
            self._infer(running, served)
            wait_ms = running.step()
            if wait_ms:
                chip.clock.advance(wait_ms * 1000)
                polls += 1
            done = not self._state.on_trial() and str(self.facts(self.flash.content)[0]) == self.scenario.stages[-1]
            if wait_ms >= 500 and done:
                self._infer(running, served)
                return
            if polls > MOST_POLLS and self._endless:
                return
            if polls > MOST_POLLS:
                raise Broken(f"does not get on: {self.facts(self.flash.content)[0]}; {self.reports[-6:]}")

    def _infer(self, running: Any, served: list[str]) -> None:
        """What the app gets is what the journal has confirmed, and nothing else."""
        confirmed = {entry.name: entry.image.version for entry in self._state.entries if entry.image}
        for name, version in confirmed.items():
            found = running.serving.served(name)
            if found is None or found.version != version:
                raise Broken(f"{name} {version} is confirmed, {found and found.version} in service; {self.reports[-6:]}")
            if not served or served[-1] != version:
                self._app = True
                with running.serving.model(name) as m:
                    output = bytes(m.invoke(self._sample))
                self._app = False
                if output != self._outputs[version]:
                    raise Broken(f"{name} {version} answers {output.hex()}")
                served.append(version)

    def _report(self, event: str, **facts: object) -> None:
        self.reports.append(f"{event} {facts}")
        if facts.get("code") == 0:
            raise Broken(f"an error that nobody foresaw: {facts}")

    def _hang(self) -> None:
        """The version on trial infers, and never comes back."""
        versions = [entry.trial.image.version for entry in self._state.entries if entry.trial]
        if self.scenario.hangs in versions and not self._app:
            raise device.Ended(Cause.WATCHDOG)

    # What must always hold

    def _violation(self, what: str) -> None:
        raise Broken(what)

    def _watch(self, operation: Operation) -> None:
        """After each operation: it was allowed, and what the flash says now is a stage of the scenario."""
        row = next(row for row in self.rows if row.offset <= operation.address < row.offset + row.size)
        allowed = self._writable()
        if row.label not in allowed:
            raise Broken(f"{operation} in {row.label}; only {sorted(allowed)} may be written")
        self._check(self.flash.content)

    def _writable(self) -> set[str]:
        """The labels of what may be written by what the journal said before: never a confirmed slot. otadata: the bootloader."""
        labels = {row.label for row in self.rows if row.type == 0x40} | {"otadata"}
        return labels - {f"{entry.plane}_{entry.slot}" for entry in self._state.entries if entry.image}

    def _check(self, content: Content) -> None:
        facts, self._state = self.facts(content)
        if str(facts) not in self.scenario.stages:
            raise Broken(f"neither old nor new: {facts}; allowed are {self.scenario.stages}")
        stage = self.scenario.stages.index(str(facts))
        if stage < self._stage and not self.scenario.rots:
            raise Broken(f"back from {self.scenario.stages[self._stage]} to {facts}")
        self._stage = stage
        for entry in self._state.entries:
            if not self.scenario.rots:
                self._check_trial(entry, content)

    def _check_trial(self, entry: Entry, content: Content) -> None:
        """A version on trial is whole in its slot, from the record that activates it on."""
        if entry.trial:
            held = self._partition(f"{entry.plane}_{entry.trial.slot}", content)[: entry.trial.image.length]
            if entry.trial.slot == entry.slot or sha256(held).digest() != entry.trial.image.sha256:
                raise Broken(f"{entry.name} {entry.trial.image.version} is on trial, its slot holds something else")
