"""A board under one scenario: switched on with some flash, run until it is quiet, and judged at each flash operation.

What the flash holds is all that outlives a power cut, and the device is deterministic: so what a board does with a content is
found out once, whichever cuts led to it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from struct import pack
from typing import Any, NamedTuple

from mulligan.core import keyset, otadata, partitions
from mulligan.core.journal import Journal
from mulligan.core.p256 import verify
from mulligan.core.state import Entry, Image, State, needs_reset
from mulligan_host.models.source import ByteSource
from mulligan_host.partitions import find
from mulligan_host.virtual.bootloader import Boot, read_otadata
from mulligan_host.virtual.chip import Chip
from mulligan_host.virtual.flash import SECTOR
from mulligan_host.virtual.protocol import Cause, Op
from powerloss import device
from powerloss.nor import Content, Fault, Operation, TracedFlash

MOST_BOOTS = 8
"""Of one run, resets that the device asks for included."""
MOST_POLLS = 12
"""After which a run that has not come to its end never will."""
MOST_CONTENT = 0x8000
"""Bytes of an artifact, and of a partition that is not a slot."""
MOST_STATES = 1024
"""Contents of journal and keys whose meaning is kept."""
Sectors = tuple[bytes, ...]
STATES = (otadata.NEW, otadata.PENDING, otadata.VALID, otadata.INVALID, otadata.ABORTED, otadata.UNDEFINED)
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

    ``hangs``: the version of a model whose inference never ends, or of an app that comes to no step; ``rots``: flash loses
    bits, so that a stage may come again.
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


def label(plane: str, slot: int) -> str:
    """The partition of a slot."""
    return f"{'ota' if plane == 'firmware' else plane}_{slot}"


class Broken(BaseException):
    """A promise does not hold. Not an Exception, which the device would catch and go on."""


@contextmanager
def _at_work(works: bool = True) -> Iterator[None]:
    """The device package is at work, or is not."""
    before, device.current.works = device.current.works, works
    try:
        yield
    finally:
        device.current.works = before


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
        encrypted = [row for row in self.rows if row.flags & partitions.ENCRYPTED]
        self.flash.encrypted = [range(row.offset, row.offset + row.size) for row in encrypted]
        self._runs: dict[bytes, Run] = {}
        self._sound: set[bytes] = set()
        self._numbers: dict[bytes, int] = {}
        self._originals = {row.label: self._of_row(row) for row in self.rows}
        self._state_of = lru_cache(MOST_STATES)(self._read_state)
        self._digest_of = lru_cache(MOST_STATES)(lambda sectors, length: sha256(b"".join(sectors)[:length]).digest())
        self._config = json.dumps({"board": "virtual", "url": "http://site/", "poll_ms": 500, **scenario.config}).encode()
        self._state = State()
        self._stage = 0
        self._app = False
        self._endless = False
        self._most_boots = MOST_BOOTS
        self._chip: Chip | None = None
        self.beyond = 0
        """Contents of the flash that ESP-IDF's bootloader itself has no way back from."""
        self._booted: Boot | None = None
        self.reports: list[str] = []

    @property
    def distinct(self) -> int:
        """How many different contents of the flash were run."""
        return len(self._sound)

    @property
    def trying(self) -> bool:
        """Whether a set is on trial, as the flash says it."""
        return bool(self._state.on_trial())

    def run(self, content: Content) -> Run:
        """Switch a board with ``content`` on; what it did. Raises: Broken."""
        key = self._key(content)
        if key not in self._runs:
            self._runs[key] = self._run(content)
            self._sound.add(key)
        return self._runs[key]

    def check(self, content: Content) -> None:
        """As run(), but what it did is not kept: there are a hundred times as many second cuts as first ones. Raises: Broken."""
        key = self._key(content)
        if key not in self._sound:
            self._run(content)
            self._sound.add(key)

    def _key(self, content: Content) -> bytes:
        """A short name of ``content``, the same for the same."""
        numbers = self._numbers
        return b"".join([pack("<HI", at, numbers.setdefault(content[at], len(numbers))) for at in sorted(content)])

    def facts(self, content: Content) -> tuple[Facts, State]:
        """What a flash says."""
        with _at_work(False):
            return self._facts(content)

    def _facts(self, content: Content) -> tuple[Facts, State]:
        state, root = self._state_of(self._partition("journal", content), self._partition("keys", content))
        versions, floors, frozen = [], [], 0
        for entry in state.entries:
            frozen += len(entry.frozen)
            if entry.image is None:
                continue
            right = self._holds(content, label(entry.plane, entry.slot), entry.image)
            versions.append((entry.plane, entry.name, entry.image.version if right else "?"))
            floors.append((entry.floor, entry.hard_floor))
        return Facts(tuple(versions), tuple(floors), state.sequence, root, frozen), state

    def _read_state(self, journal: Sectors, keys: Sectors) -> tuple[State, int]:
        """The journal's state, and the number of the root that is trusted by it."""
        state: State = Journal(ByteSource(b"".join(journal))).state
        return state, keyset.trusted(ByteSource(b"".join(keys)), state.keys, verify)[0].number

    def _holds(self, content: Content, label: str, image: Image) -> bool:
        """Whether a partition has the artifact in it."""
        return self._digest_of(self._partition(label, content), image.length) == bytes(image.sha256)

    def _partition(self, label: str, content: Content) -> Sectors:
        """Its content, sector by sector, or as much of it as an artifact here may have."""
        return tuple([content.get(sector) or original for sector, original in self._originals[label]])

    def _of_row(self, row: partitions.Row) -> list[tuple[int, bytes]]:
        """The sectors of a partition and what the scenario begins with there, as far as an artifact here may go."""
        first = row.offset // SECTOR
        last = first + min(row.size, MOST_CONTENT) // SECTOR
        return [(sector, self.flash.original({}, sector)) for sector in range(first, last)]

    def disturbed(
        self, content: Content, on_call: Callable[[Op], None] | None, endless: bool = False, boots: int = MOST_BOOTS
    ) -> Run:
        """Switch a board on, ``on_call`` being told of each request of its program; endless: it may never come to its end; boots:
        the most that it may need. Raises: Broken."""
        device.link.on_call, self._endless, self._most_boots = on_call, endless, boots
        try:
            return self._run(content)
        finally:
            device.link.on_call, self._endless, self._most_boots = None, False, MOST_BOOTS

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
        self.reports, self._chip = [], None
        served: list[str] = []
        self._stage = 0
        self._check(content)
        boots, cause = 0, Cause.POWER_ON
        while True:
            boots += 1
            if boots > self._most_boots:
                if not self._beyond_mending():
                    raise Broken(f"{self._most_boots} boots, and no end; {self.reports[-6:]}")
                self.beyond += 1
                break
            device.current.app, device.current.booted = None, False
            device.current.mounted.clear()
            try:
                started = chip.start(cause)
                if started is None:
                    raise Broken("a brick: no app loads")
                if started.firmware.behaviour != "run":
                    raise device.Ended(Cause.HARD if started.firmware.behaviour == "crash" else Cause.WATCHDOG)
                self._program(chip, served)
            except device.Enough:
                if not self._endless:
                    raise Broken(f"no end of requests; {self.reports[-6:]}") from None
            except device.Ended as e:
                if e.cause is None:
                    raise
                cause = e.cause
                continue
            break
        return Run(self.flash.operations, self.flash.content, boots, served, self.scenario.site.requests)

    def _beyond_mending(self) -> bool:
        """Whether a firmware that does not come up is in force by an otadata entry whose state is none of ESP-IDF's.

        An erase that ends early can leave sequence and CRC as they were and set bits of the state, which the CRC does not cover.
        The bootloader then neither tries nor aborts that firmware, and nothing of Mulligan's runs: docs/PROMISES.md says so.
        """
        entries = read_otadata(self.flash, find(self.rows, "otadata"))
        index = otadata.active(entries)
        return not device.current.booted and index is not None and entries[index].state not in STATES

    def _program(self, chip: Chip, served: list[str]) -> None:
        """boot.py, then an app that infers and steps."""
        self._chip, self._booted = chip, chip.boot
        try:
            with _at_work():
                running = self._board.Device(self._report)
                if running.recovering:
                    running.recover()
        except MemoryError:
            raise device.Ended(Cause.WATCHDOG) from None  # in boot.py, under its watchdog
        if self._hangs():
            raise device.Ended(Cause.WATCHDOG)
        device.current.booted = True
        polls = 0
        while True:
            self._infer(running, served)
            with _at_work():
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

    def _hangs(self) -> bool:
        """Whether the app that runs never comes to its first step."""
        images = [image for entry in self._state.entries if entry.plane == "app" for image in (entry.image, entry.spare) if image]
        images += [entry.trial.image for entry in self._state.entries if entry.trial]
        return any(image.sha256 == device.current.app and image.version == self.scenario.hangs for image in images)

    def _infer(self, running: Any, served: list[str]) -> None:
        """What the app gets is what is confirmed, or on trial from a reset, and nothing else; and so is what runs.

        A trial that the journal can't count any more is not tried. Where it can't record that a damaged version gives way to the
        one before, that one serves all the same.
        """
        unwritten = self._endless and any(report.startswith("unwritten") for report in self.reports)
        journal = running._journal
        uncounted = self._endless and not journal.lost and journal.state.on_trial() == []
        live = needs_reset(self._state.on_trial()) and not uncounted
        for entry in self._state.entries:
            image = entry.trial.image if live and entry.trial else entry.image
            slot = entry.trial.slot if live and entry.trial else entry.slot
            if entry.plane == "firmware":
                if self._booted is None or self._booted.app.label != label("firmware", slot):
                    raise Broken(f"not the firmware in slot {slot} runs; {self.reports[-6:]}")
            elif image is None:
                continue
            elif entry.plane == "app":
                if device.current.app != image.sha256:
                    raise Broken(f"not the app {image.version} runs; {self.reports[-6:]}")
            elif entry.plane == "config":
                if running.serving.config.get("level") != image.version:
                    raise Broken(f"not the config {image.version} is in service; {self.reports[-6:]}")
            else:
                version = entry.spare.version if unwritten and entry.spare and self._damaged(entry.name) else image.version
                self._infer_model(running, entry.name, version, served)

    def _damaged(self, name: str) -> bool:
        return any(report.startswith("damaged") and f"'{name}'" in report for report in self.reports)

    def _infer_model(self, running: Any, name: str, version: str, served: list[str]) -> None:
        found = running.serving.served(name)
        if found is None or found.version != version:
            raise Broken(f"{name} {version} is confirmed, {found and found.version} in service; {self.reports[-6:]}")
        if not served or served[-1] != version or found.live:
            self._app = True
            with running.serving.model(name) as m:
                output = bytes(m.invoke(self._sample))
            self._app = False
            if output != self._outputs[version]:
                raise Broken(f"{name} {version} answers {output.hex()}")
            served.append(version)

    def _report(self, event: str, **facts: object) -> None:
        self.reports.append(f"{event} {facts}")
        if facts.get("code") == 0 and not str(facts["reason"]).startswith("MemoryError"):
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
        """The labels of what may be written by what the journal said before: never a confirmed slot, never what runs."""
        labels = {row.label for row in self.rows if row.type == 0x40} | {"otadata", "ota_0", "ota_1"}
        labels -= {label(entry.plane, entry.slot) for entry in self._state.entries if entry.image or entry.plane == "firmware"}
        boot = self._chip.boot if self._chip else None
        return labels - {boot.app.label if boot else "ota_0"}

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
            whole = self._holds(content, label(entry.plane, entry.trial.slot), entry.trial.image)
            if entry.trial.slot == entry.slot or not whole:
                raise Broken(f"{entry.name} {entry.trial.image.version} is on trial, its slot holds something else")
