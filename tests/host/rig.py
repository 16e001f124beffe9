"""A virtual board, its release directory and its server, for tests of whole updates on real MicroPython.

The device package is the real one; only ``main.py`` is a small app of the tests' own, which infers beside ``mulligan.run()``,
now and then, and prints what it got. Virtual time passes in the board's sleep, so that polling costs next to no wall time.
"""

import json
import re
import shutil
import struct
import time
from binascii import crc32
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from mulligan.core import chunks, manifest, partitions, slot
from mulligan.core.journal import Journal
from mulligan.core.state import Entry, State
from mulligan.tflite import loader
from mulligan_host import ceremony, delta, files, keys, provision, release, server
from mulligan_host.authority import Identity
from mulligan_host.micropython import MicroPython
from mulligan_host.models.source import ByteSource
from mulligan_host.partitions import find
from mulligan_host.resources import resource
from mulligan_host.virtual.board import VirtualBoard
from mulligan_host.virtual.flash import SECTOR

BOARD = "virtual"
NAME = "digits"
VECTORS = 4
HEALTH = release.Health(correct=VECTORS, attempts=2, deadline_ms=3000, watchdog_ms=4000)
BOOT_MS = 1500
POLL_MS = 500
MARGIN_BOOTS = 20
"""Boots of the same board, by the wall clock of the same run, by which a rollback may exceed its bound on that clock: what a
virtual board does in no virtual time, a machine under load may take long for."""
APP = """
import asyncio
from binascii import hexlify, unhexlify

import mulligan
from mulligan.core.errors import NotAvailable


async def app():
    count = 0
    last = None
    while True:
        try:
            with mulligan.model("digits") as m:
                version = m.version
                output = m.invoke(unhexlify("INPUT")) if version != last or count % 4 == 0 else None
        except NotAvailable:
            version, output = None, b""
        if output is not None:
            print("app: version={} output={}".format(version, hexlify(output).decode()))
        last = version
        count += 1
        await asyncio.sleep(0)


async def main():
    await asyncio.gather(app(), mulligan.run())


PRELUDE
asyncio.run(main())
"""


def app(prelude: str = "") -> bytes:
    """Return a main.py that runs ``prelude`` before the app starts."""
    return APP.replace("PRELUDE", prelude).replace("INPUT", reference("1.0.0")[0][0].hex()).encode()


@lru_cache
def reference(model: str) -> list[tuple[bytes, bytes, int]]:
    """Return (input, output, label) of test images that every good model gets right, outputs as the reference kernels give."""
    with np.load(resource("models/reference.npz")) as exact, np.load(resource("models/digits-test.npz")) as test:
        x, outputs, y = exact["x"], exact[f"digits-{model}"], test["y"][: len(exact["x"])]
        right = np.all([test[f"digits-{good}"][: len(y)] == y for good in ("1.0.0", "1.1.0", "1.3.0-slow")], axis=0)
        return [(x[i].tobytes(), outputs[i].tobytes(), int(y[i])) for i in np.flatnonzero(right)[:VECTORS]]


@lru_cache
def image(version: str, model: str = "", name: str = NAME) -> bytes:
    """Return the slot image of the digits model ``model`` (default: of that version)."""
    tflite = resource(f"models/digits-{model or version}.tflite").read_bytes()
    facts = loader.inspect(ByteSource(tflite))
    labels = [str(digit) for digit in range(10)]
    built: bytes = slot.build(name, version, tflite, facts.arena, reference(model or version), labels, sorted(set(facts.ops)))
    return built


def with_wrong_outputs(good: bytes) -> bytes:
    """Return the slot image ``good`` with one bit of its last golden output changed."""
    header = slot.parse(good, len(good))
    vector = header.input_size + header.output_size + 2
    spoilt = bytearray(good)
    spoilt[header.golden_at + header.golden * vector - 3] ^= 1
    return bytes(spoilt)


def with_arena(good: bytes, size: int) -> bytes:
    """Return the slot image ``good``, asking for an arena of ``size`` bytes."""
    head = bytearray(good[:92])
    struct.pack_into("<I", head, 12, size)
    return bytes(head) + struct.pack("<I", crc32(head)) + good[96:]


# A boot.py whose client does not wait long for a slow server.
QUICK = b"""
import machine
machine.WDT(timeout=30000)
import mulligan
from mulligan.port import http
class Quick(http.Client):
    def __init__(self, *wired):
        super().__init__(*wired, 0.15)
http.Client = Quick
mulligan.boot()
"""


class Rig:
    """One board that starts with ``model`` confirmed, or ``blank``. A context manager; leaving it fails on a broken NOR rule.

    ``released``: whether that model is the release on the channel, else there is none; ``prelude`` runs in main.py before the
    app; ``extra`` are more files in vfs; ``tls``: over TLS, or as which server; ``ca`` and ``url``: what the board is told in
    place of the server's own; ``credentials``: (cert, key) of the board; ``bits``: the port that runs it;
    ``told``: more of its Setup; ``carried``: the package is not frozen, but comes in the app slots.
    """

    def __init__(
        self,
        work: Path,
        ports: Sequence[MicroPython],
        *,
        model: bytes | None = None,
        blank: bool = False,
        released: bool = True,
        prelude: str = "",
        extra: dict[str, bytes] | None = None,
        tls: bool | Identity = False,
        ca: bytes | None = None,
        url: str = "",
        credentials: tuple[bytes, bytes] = (b"", b""),
        bits: int = 32,
        heap: int | None = None,
        told: dict[str, Any] | None = None,
        carried: bool = False,
    ) -> None:
        work.mkdir(exist_ok=True)
        self.work = work
        self.path = work / "flash.bin"
        self.directory = release.Directory(work / "releases")
        self.signer = keys.create(work / "release.pem")
        self.root_signer = keys.Signer.generate()
        self.root = self.first_root()
        self.events: list[tuple[int, str]] = []
        """Virtual time and line of everything that Mulligan and the app printed."""
        self._walls: dict[tuple[int, str], float] = {}
        """By event, the wall clock's time."""
        self._first_on = 0.0
        self.on_event: Callable[[str], None] | None = None
        """Called with each such line, on the board's thread."""
        self._stack = ExitStack()
        self.first = model or image("1.0.0")
        if released and not blank:
            self.publish("1.0.0", self.first)
        (work / "releases").mkdir(exist_ok=True)
        self._serving = self._stack.enter_context(ExitStack())
        self.web = self._serving.enter_context(server.serve(self.directory.path, tls=tls))
        setup = provision.Setup(
            BOARD,
            self.root,
            None if blank else self.first,
            url or self.web.url + "/",
            self.web.ca_der if ca is None else ca,
            *credentials,
            poll_ms=POLL_MS,
            carried=carried,
            files={"main.py": app(prelude), **(extra or {})},
            **(told or {}),
        )
        mp = next((mp for mp in ports if mp.bits == bits), ports[0])
        self._options: dict[str, Any] = {"heap": heap, "on_line": self._line, "max_resets": 12}
        provision.virtual_flash(self.path, setup, mp)
        self._ports = ports
        self.board = self._stack.enter_context(VirtualBoard(self.path, ports, **self._options))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def first_root(self) -> bytes:
        """Return the root that the board trusts from the start."""
        return ceremony.first([self.root_signer], [self.signer.public])

    # Releases

    def build(
        self,
        version: str,
        content: bytes | None = None,
        health: release.Health = HEALTH,
        boards: Sequence[str] = (BOARD,),
        **order: Any,
    ) -> manifest.Manifest:
        """Build release ``version``, of ``content`` or else of the digits model of that version."""
        made = release.Order(content or image(version), list(boards), health, version, boot_ms=BOOT_MS, **order)
        return self.directory.build(made)

    def publish(self, version: str, content: bytes | None = None, **order: Any) -> manifest.Manifest:
        """Build, sign and publish release ``version``."""
        built = self.build(version, content, **order)
        self.directory.sign(version, self.signer)
        return built

    def payload(self, version: str) -> dict[str, Any]:
        """Return the payload of a built release, to be tampered with."""
        payload: dict[str, Any] = json.loads(self.directory.payload(version))
        return payload

    def offer(self, token: bytes) -> None:
        """Publish ``token``, whatever it is."""
        files.write(self.directory.channel("stable"), token)

    def forge(self, payload: dict[str, Any], signer: keys.Signer | None = None) -> None:
        """Publish ``payload``, signed."""
        self.offer((signer or self.signer).sign(json.dumps(payload, separators=(",", ":")).encode()))

    def close_server(self) -> None:
        """End the server: its port refuses connections from now on."""
        self._serving.close()

    # The board

    def on(self) -> str:
        """Switch it on; return the version that the app's first inference was served by."""
        since = self.board.clock_us
        self.board.power_on()
        self.board.wait(rf"^board: power on \[{since / 1e6:.6f} s\]")  # not a line from before it was off
        return self.served()

    def restart(self) -> str:
        """Switch it off and on; return the version served then."""
        self.board.power_off()
        return self.on()

    def wait(self, event: str, timeout: float = 60.0) -> dict[str, str]:
        """Wait for the next line ``mulligan: event …``; return its facts."""
        return facts(self.board.wait(rf"^mulligan: {event}( |$)", timeout))

    def served(self) -> str:
        """Return the version that the app's next report names."""
        return facts(self.board.wait("^app: "))["version"]

    def now(self, version: str) -> None:
        """Wait until the app is served by ``version``."""
        self.board.wait(rf"^app: version={re.escape(version)} ")

    def all(self, event: str) -> list[dict[str, str]]:
        """Return the facts of every line ``mulligan: event …`` so far."""
        return [facts(line) for _, line in self.events if re.match(rf"mulligan: {event}( |$)", line)]

    def at(self, pattern: str, after: int = 0) -> int:
        """Return the virtual time in microseconds of the first line from ``after`` on that matches."""
        return self._event(pattern, after)[0]

    def held_the_bound(self, serves: str) -> None:
        """From the activation of the last release built to the line that says that the version before ``serves`` again, after the
        rollback: no more time than its manifest says. On the wall clock, MARGIN_BOOTS boots of this board more."""
        bound_ms = manifest.bound_of(self.directory.releases()[-1])
        activated = self._event("^mulligan: activated ")
        ended = self._event("^mulligan: rolled-back ", activated[0])
        served = self._event(serves, ended[0])
        assert served[0] - activated[0] <= 1000 * bound_ms
        boot_s = self._walls[self._event("^mulligan: serving ")] - self._first_on
        assert self._walls[served] - self._walls[activated] <= bound_ms / 1000 + MARGIN_BOOTS * boot_s

    def _event(self, pattern: str, after: int = 0) -> tuple[int, str]:
        return next(event for event in self.events if event[0] >= after and re.search(pattern, event[1]))

    def journal(self) -> bytes:
        """Return the journal as the flash holds it."""
        return self.board.partition("journal")

    def state(self) -> State:
        """Return the state that the journal holds."""
        return Journal(ByteSource(self.journal())).state

    def entry(self, name: str = NAME) -> Entry:
        """Return the journal's entry of a model."""
        entry: Entry | None = self.state().entry("model", name)
        assert entry is not None
        return entry

    def version(self) -> str:
        """Return the version that the journal has confirmed."""
        found = self.entry().image
        assert found is not None
        return str(found.version)

    def address(self, label: str) -> int:
        """Return where in the flash a partition begins."""
        offset: int = self._row(label).offset
        return offset

    def _row(self, label: str) -> partitions.Row:
        return find(partitions.decode(self.board.flash.peek(partitions.TABLE_OFFSET, partitions.TABLE_SIZE)), label)

    def operations(self) -> int:
        """Return how many erases and programs the flash has done where a refusal may do none.

        Not counted: the event log, which tells of the refusal, and the seals of the keys' tables, set when one is first needed.
        """
        log, keyset = self._row("events"), self._row("keys")
        end = keyset.offset + keyset.size
        passed = set(range(log.offset // SECTOR, (log.offset + log.size) // SECTOR))
        passed |= {end // SECTOR - 1, (end - keyset.size // 2) // SECTOR - 1}  # the last sector of each of the two copies
        counters = self.board.flash.counters
        by_sector = (*counters.sector_erases.items(), *counters.sector_programs.items())
        return sum(times for sector, times in by_sector if sector not in passed)

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """What happens inside changes neither journal nor active slot, and the app is served by the same version after it."""
        before = self.served(), self.journal(), self._active()
        yield
        assert (self.served(), self.journal(), self._active()) == before

    def _active(self) -> bytes:
        entry = self.state().entry("model", NAME)
        return b"" if entry is None or entry.slot is None else self.board.partition(f"model_{entry.slot}")

    def load(self, flash: Path, **options: Any) -> None:
        """Put the content of the file ``flash`` into the board, as a new one; ``options``: of VirtualBoard, for that one."""
        self.board.__exit__(None, None, None)
        shutil.copyfile(flash, self.path)
        self.events.clear()
        self.board = self._stack.enter_context(VirtualBoard(self.path, self._ports, **{**self._options, **options}))

    def _line(self, line: str) -> None:
        if line.startswith("board: power on"):
            self._first_on = self._first_on or time.monotonic()
        if line.startswith(("mulligan: ", "app: ")):
            self.events.append((self.board.clock_us, line))
            self._walls.setdefault(self.events[-1], time.monotonic())
            if self.on_event:
                self.on_event(line)


def facts(line: str) -> dict[str, str]:
    """Return the key=value pairs of a console line, the reason with its spaces."""
    head, _, reason = line.partition(" reason=")
    return {**dict(re.findall(r"(\w+)=(\S+)", head)), "reason": reason}


def chunk_sizes(directory: release.Directory, blob: manifest.Blob | manifest.Patch) -> list[int]:
    """Return the sizes of a patch's chunks."""
    data = (directory.path / "artifacts" / blob.sha256.hex()).read_bytes()
    header = delta.read_header(data)
    return [chunks.size_in_patch(header, index) for index in range(chunks.count_of(header))]
