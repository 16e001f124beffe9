"""The scenarios: each a board, what is on offer to it, and the stages that it may be in. To add one, add a function."""

import json
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from mulligan.core import partitions, root, slot
from mulligan_host import apps, artifacts, ceremony, keys, provision, release
from mulligan_host.artifacts import Part
from mulligan_host.micropython import MicroPython
from mulligan_host.models.engine import Engine
from mulligan_host.partitions import find
from mulligan_host.virtual import firmware
from mulligan_host.virtual.flash import SECTOR
from powerloss.device import Site
from powerloss.nor import Content
from powerloss.world import Scenario, World

DATA = Path(__file__).parent.parent / "tflite" / "data"
NAME = "net"
ENCRYPTED = ("journal", "keys", "events", "model_0", "model_1")
"""Labels of partitions."""
HEALTH = release.Health(correct=0, attempts=2, deadline_ms=3000, watchdog_ms=4000, heap=0)
VERSIONS = ("1.0.0", "1.1.0", "1.2.0", "1.3.0")
PADDING = 8000
"""Bytes after the model, which no reader looks at: so that an artifact has three sectors."""
SAMPLE = bytes((7 * i + 3) % 256 for i in range(30))


@cache
def model(version: str) -> tuple[bytes, bytes]:
    """(.tflite, its output for SAMPLE): of one convolution, a weight of it by version, so that no two answer alike."""
    changed = bytearray((DATA / "conv_relu_n1.tflite").read_bytes())
    changed[104 + VERSIONS.index(version)] ^= 0x40
    # Most of the padding is that of every version, so that a patch has something to copy.
    padding = random.Random(0).randbytes(PADDING - 300) + random.Random(version).randbytes(300)
    return bytes(changed) + padding, bytes(Engine(bytes(changed)).infer(SAMPLE))


@cache
def image(version: str, wrong: bool = False, name: str = NAME) -> bytes:
    """The slot image of a version; ``wrong``: its golden outputs are another's."""
    tflite, output = model(version)
    vectors = [(SAMPLE, output, 0), (bytes(30), Engine(tflite).infer(bytes(30)), slot.NO_LABEL)]
    if wrong:
        vectors[1] = (vectors[1][0], bytes(60), slot.NO_LABEL)
    facts = Engine(tflite).info
    built: bytes = slot.build(name, version, tflite, facts.arena, vectors, ["a", "b"], sorted(set(facts.ops)))
    return built


@cache
def app(version: str) -> Part:
    """An app that says its version and brings the device package's place: two sectors or more."""
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "main.py").write_text(f"VERSION = {version!r}\n")
        (Path(work) / "data.bin").write_bytes(random.Random(version).randbytes(5000))
        return artifacts.recognise(apps.pack(Path(work), version))


@cache
def config(version: str) -> Part:
    """A config that says its version."""
    return artifacts.recognise(json.dumps({"level": version}).encode(), version)


@dataclass
class Desk:
    """Where boards and releases are made: one set of keys, one release directory of each scenario's own."""

    board: Any
    mp: MicroPython
    root_signer: keys.Signer = field(default_factory=keys.Signer.generate)
    signer: keys.Signer = field(default_factory=keys.Signer.generate)
    fleet: keys.Signer = field(default_factory=keys.Signer.generate)
    _flashes: dict[tuple[bytes | None, tuple[Part, ...]], bytes] = field(default_factory=dict)

    @property
    def root(self) -> bytes:
        if not hasattr(self, "_root"):
            self._root = ceremony.first([self.root_signer], [self.signer.public], [self.fleet.public])
        return self._root

    def flash(self, first: bytes | None, *parts: Part) -> bytes:
        """The flash of a new board with the slot image ``first`` confirmed, or none, and ``parts`` beside it."""
        if (first, parts) not in self._flashes:
            with tempfile.TemporaryDirectory() as work:
                path = Path(work) / "flash.bin"
                provision.virtual_flash(path, provision.Setup("virtual", self.root, first, parts=parts), self.mp)
                self._flashes[first, parts] = path.read_bytes()
        return self._flashes[first, parts]

    def firmware(self, version: str, behaviour: Literal["run", "hang", "crash"] = "run") -> Part:
        """A virtual firmware of the same MicroPython."""
        made = firmware.Firmware(version, self.mp.mpy, behaviour)
        return artifacts.recognise(firmware.build(made), version, self.mp.mpy)

    @property
    def flashed(self) -> str:
        """The version of the firmware that boards come with."""
        return ".".join(map(str, self.mp.version))

    def site(
        self,
        *releases: tuple[bytes | Sequence[Part], dict[str, Any]],
        more: Callable[[release.Directory, str], None] | None = None,
    ) -> Site:
        """A release directory of these (slot image or parts, more of its Order), the last one on offer; then ``more`` is done."""
        with tempfile.TemporaryDirectory() as work:
            root = Path(work) / "releases"
            directory = release.Directory(root)
            for content, order in releases:
                part = artifacts.recognise(content) if isinstance(content, bytes) else content[0]
                version = part.version
                directory.build(release.Order(content, ["virtual"], **{"health": HEALTH, "boot_ms": 1500, **order}))
            directory.sign(version, self.signer)
            if more:
                more(directory, version)
            return Site({f"/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*") if path.is_file()})

    def world(self, scenario: Scenario) -> World:
        return World(self.board, scenario, {version: model(version)[1] for version in VERSIONS}, SAMPLE)

    def after(self, scenario: Scenario) -> Content:
        """The flash at the end of a scenario, uncut: another one may begin with it."""
        return self.world(scenario).run(scenario.start).end


def at(version: str, floor: str, sequence: int, root: int = 1, frozen: int = 0) -> str:
    """A stage, as str(Facts) says it."""
    what = f"{NAME} {version}" if version else "nothing"
    return f"{what}, floor {floor}, sequence {sequence}, root {root}, {frozen} frozen"


OLD = at("1.0.0", "1", 0)
NEW = at("1.1.0", "2", 2)
FAILED = at("1.0.0", "1", 0, frozen=1)


def good(desk: Desk) -> Scenario:
    """An update by patch."""
    site = desk.site((image("1.0.0"), {}), (image("1.1.0"), {}))
    return Scenario("model: good, by patch", desk.flash(image("1.0.0")), {}, site, (OLD, NEW))


def first(desk: Desk) -> Scenario:
    """The first model of a blank board, in full."""
    site = desk.site((image("1.0.0"), {}))
    stages = (at("", "-", 0), at("1.0.0", "1", 1))
    return Scenario("model: the first", desk.flash(None), {}, site, stages)


def full(desk: Desk) -> Scenario:
    """The patch is damaged on the server: the full artifact takes its place, where it stopped."""
    site = desk.site((image("1.0.0"), {}), (image("1.1.0"), {}))
    patches = {path: data for path, data in site.files.items() if data[:4] == b"MPAT"}
    patch = min(patches, key=lambda path: len(patches[path]))
    damaged = bytearray(patches[patch])
    damaged[-8] ^= 4
    site = Site({**site.files, patch: bytes(damaged)})
    return Scenario("model: a damaged patch", desk.flash(image("1.0.0")), {}, site, (OLD, NEW))


def wrong(desk: Desk) -> Scenario:
    site = desk.site((image("1.0.0"), {}), (image("1.1.0", wrong=True), {}))
    return Scenario("model: wrong answers", desk.flash(image("1.0.0")), {}, site, (OLD, FAILED))


def slow(desk: Desk) -> Scenario:
    site = desk.site((image("1.0.0"), {}), (image("1.1.0"), {"health": replace(HEALTH, latency_us=1)}))
    return Scenario("model: too slow", desk.flash(image("1.0.0")), {}, site, (OLD, FAILED))


def hang(desk: Desk) -> Scenario:
    """An endless loop in inference: the watchdog ends each of two attempts."""
    site = desk.site((image("1.0.0"), {}), (image("1.1.0"), {}))
    return Scenario("model: hangs", desk.flash(image("1.0.0")), {}, site, (OLD, FAILED), hangs="1.1.0")


def resume(desk: Desk) -> Scenario:
    """Each time the board is switched on the link is lost twice, inside of a chunk."""
    site = desk.site((image("1.1.0"), {}))
    return Scenario(
        "model: link lost", desk.flash(image("1.0.0")), {}, Site(site.files, drops=(4700, 3000)), (OLD, at("1.1.0", "1", 1))
    )


def floor(desk: Desk) -> Scenario:
    """A release that raises the hard floor."""
    site = desk.site((image("1.0.0"), {}), (image("1.1.0"), {"hard_floor": 2}))
    return Scenario("floors raised", desk.flash(image("1.0.0")), {}, site, (OLD, at("1.1.0", "2 hard 2", 2)))


def rollover(desk: Desk) -> Scenario:
    """The journal begins a new sector with the record of the activation, and another one with that of the confirm."""
    before = good(desk)
    start = desk.after(before)
    site = desk.site((image("1.0.0"), {}), (image("1.1.0"), {}), (image("1.2.0"), {}))
    start = desk.after(Scenario("", before.base, start, site, (NEW, at("1.2.0", "3", 3))))
    sites = desk.site((image("1.0.0"), {}), (image("1.1.0"), {}), (image("1.2.0"), {}), (image("1.3.0"), {}))
    return Scenario("journal roll-over", before.base, start, sites, (at("1.2.0", "3", 3), at("1.3.0", "4", 4)))


def rotation(desk: Desk) -> Scenario:
    """A new root, whose ceiling brings the floors down, then a release by its key."""
    signer = keys.Signer.generate()
    before = good(desk)

    def more(directory: release.Directory, version: str) -> None:
        old = root.unpack(desk.root)
        change = ceremony.Change({"release": [signer.public]}, remove=[desk.signer.kid], ceiling=1)
        directory.add_root(ceremony.packed(ceremony.sign(ceremony.propose(old, change), old, [desk.root_signer])))
        directory.sign(version, signer)

    site = desk.site((image("1.1.0"), {}), (image("1.2.0"), {}), more=more)
    stages = (NEW, at("1.1.0", "1", 1, root=2), at("1.2.0", "2", 2, root=2))
    return Scenario("root rotation", before.base, desk.after(before), site, stages)


def order(desk: Desk) -> Scenario:
    """A board that waits for a fleet key's order."""

    def more(directory: release.Directory, version: str) -> None:
        directory.order(version, desk.fleet)

    site = desk.site((image("1.0.0"), {}), (image("1.1.0"), {}), more=more)
    return Scenario("fleet order", desk.flash(image("1.0.0")), {}, site, (OLD, NEW), config={"order": True})


def damaged(desk: Desk) -> Scenario:
    """Bit rot in the active slot: found at the boot, the version before put into service, and the release installed anew."""
    before = good(desk)
    start = dict(desk.after(before))
    sector = (
        find(partitions.decode(before.base[partitions.TABLE_OFFSET :][: partitions.TABLE_SIZE]), "model_1").offset // SECTOR + 1
    )
    start[sector] = bytes([start[sector][0] ^ 1]) + start[sector][1:]
    stages = (at("?", "2", 2), at("1.0.0", "2", 2), NEW)
    return Scenario("active slot damaged", before.base, start, before.site, stages)


def encrypted(desk: Desk) -> Scenario:
    """A journal that can't count by programming bits; the version hangs, so that it has to."""
    before = hang(desk)
    rows = partitions.decode(before.base[partitions.TABLE_OFFSET :][: partitions.TABLE_SIZE])
    rows = [row._replace(flags=row.flags | partitions.ENCRYPTED) if row.label in ENCRYPTED else row for row in rows]
    table = partitions.encode(rows)
    end = partitions.TABLE_OFFSET + len(table)
    base = before.base[: partitions.TABLE_OFFSET] + table + before.base[end:]
    return replace(before, name="journal: encrypted", base=base)


def of(versions: dict[str, str], floors: str, sequence: int, frozen: int = 0) -> str:
    """A stage of several planes."""
    what = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{what}, floor {floors}, sequence {sequence}, root 1, {frozen} frozen"


def config_alone(desk: Desk) -> Scenario:
    """The first config, swapped in place."""
    site = desk.site(([config("1.0.0")], {}))
    stages = (OLD, of({NAME: "1.0.0", "config": "1.0.0"}, "1/1", 1))
    return Scenario("config: the first", desk.flash(image("1.0.0")), {}, site, stages)


def app_alone(desk: Desk) -> Scenario:
    """An app, tried from a reset."""
    base = desk.flash(image("1.0.0"), app("1.0.0"))
    site = desk.site(([app("1.0.0")], {}), ([app("1.1.0")], {}))
    both = {NAME: "1.0.0", "app": "1.0.0"}
    stages = (of(both, "1/1", 0), of({**both, "app": "1.1.0"}, "1/2", 2))
    return Scenario("app: good", base, {}, site, stages)


def app_hangs(desk: Desk) -> Scenario:
    """An app that comes to no step is rolled back by the watchdog."""
    base = desk.flash(image("1.0.0"), app("1.0.0"))
    site = desk.site(([app("1.0.0")], {}), ([app("1.1.0")], {}))
    both = {NAME: "1.0.0", "app": "1.0.0"}
    return Scenario("app: hangs", base, {}, site, (of(both, "1/1", 0), of(both, "1/1", 0, 1)), hangs="1.1.0")


def firmware_alone(desk: Desk) -> Scenario:
    """A firmware: otadata commits, the journal is conditional on what runs."""
    site = desk.site(([desk.firmware("1.26.0")], {}))
    stages = (OLD, of({NAME: "1.0.0", "firmware": desk.flashed}, "1/0", 0), of({NAME: "1.0.0", "firmware": "1.26.0"}, "1/1", 1))
    return Scenario("firmware: good", desk.flash(image("1.0.0")), {}, site, stages)


def firmware_crashes(desk: Desk) -> Scenario:
    """A firmware that never comes to boot.py: the bootloader goes back, and so does the journal."""
    site = desk.site(([desk.firmware("1.26.0", "crash")], {}))
    known = {NAME: "1.0.0", "firmware": desk.flashed}
    stages = (OLD, of(known, "1/0", 0), of(known, "1/0", 0, 1))
    return Scenario("firmware: crashes", desk.flash(image("1.0.0")), {}, site, stages)


def set_in_place(desk: Desk) -> Scenario:
    """Model and config together, by one record, without a reset."""
    base = desk.flash(image("1.0.0"), config("1.0.0"))
    site = desk.site(([artifacts.recognise(image("1.1.0")), config("1.1.0")], {}))
    stages = (of({NAME: "1.0.0", "config": "1.0.0"}, "1/1", 0), of({NAME: "1.1.0", "config": "1.1.0"}, "1/1", 1))
    return Scenario("set: model and config", base, {}, site, stages)


def set_of_all(desk: Desk) -> Scenario:
    """Firmware, app, model and config as one."""
    base = desk.flash(image("1.0.0"), app("1.0.0"), config("1.0.0"))
    parts = [desk.firmware("1.26.0"), app("1.1.0"), artifacts.recognise(image("1.1.0")), config("1.1.0")]
    known = {NAME: "1.0.0", "app": "1.0.0", "config": "1.0.0"}
    tried = of({**known, "firmware": desk.flashed}, "1/1/1/0", 0)
    new = of({NAME: "1.1.0", "app": "1.1.0", "config": "1.1.0", "firmware": "1.26.0"}, "1/1/1/1", 1)
    site = desk.site((parts, {"health": replace(HEALTH, live_runs=1)}))
    return Scenario("set: all four planes", base, {}, site, (of(known, "1/1/1", 0), tried, new))


def set_wrong(desk: Desk) -> Scenario:
    """A set whose model gives wrong answers goes back as a whole."""
    base = desk.flash(image("1.0.0"), app("1.0.0"), config("1.0.0"))
    parts = [app("1.1.0"), artifacts.recognise(image("1.1.0", wrong=True)), config("1.1.0")]
    all_old = {NAME: "1.0.0", "app": "1.0.0", "config": "1.0.0"}
    site = desk.site((parts, {}))
    return Scenario("set: a wrong model in it", base, {}, site, (of(all_old, "1/1/1", 0), of(all_old, "1/1/1", 0, 1)))


def recovery(desk: Desk) -> Scenario:
    """The confirmed app comes to no step, and there is none to go back to: the agent alone fetches another."""
    base = desk.flash(image("1.0.0"), app("1.0.0"))
    site = desk.site(([app("1.0.0")], {}), ([app("1.1.0")], {}))
    both = {NAME: "1.0.0", "app": "1.0.0"}
    stages = (of(both, "1/1", 0), of({**both, "app": "1.1.0"}, "1/2", 2))
    return Scenario("recovery", base, {}, site, stages, hangs="1.0.0")


Make = Callable[[Desk], Scenario]
ALL: tuple[Make, ...] = (
    good,
    first,
    full,
    wrong,
    slow,
    hang,
    resume,
    floor,
    rollover,
    rotation,
    order,
    damaged,
    config_alone,
    app_alone,
    app_hangs,
    firmware_alone,
    firmware_crashes,
    set_in_place,
    set_of_all,
    set_wrong,
    recovery,
    encrypted,
)
