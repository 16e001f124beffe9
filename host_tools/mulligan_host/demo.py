"""The demo: one virtual board lives through an update, two bad ones, a stranger's manifest and a power cut.

Everything is real but the chip: MicroPython, TLS, signatures, patches, flash rules. Each step states what must come out of it.
"""

import re
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mulligan.core import manifest
from mulligan_host import ceremony, keys, pack, provision, release, server
from mulligan_host.micropython import resolve
from mulligan_host.models.samples import load_samples
from mulligan_host.resources import resource
from mulligan_host.virtual.board import BoardError, VirtualBoard

_LABELS = [str(digit) for digit in range(10)]
# heap: what the collector takes for a reference on the C stack may hold a module's 2 KB or so, and the slow model leaves 13 KB.
_HEALTH = release.Health(correct=14, latency_us=60000, attempts=2, deadline_ms=4000, watchdog_ms=2000, heap=8192)
_BOARD = "virtual"
_POLL_MS = 500
_CUT_AFTER = 32  # flash operations, an erase and eight writes for each sector: inside a write of the fourth
_TIMEOUT = 60.0
_PATIENCE = 5.0  # times the watchdog's timeout on the wall clock: nothing here hangs, and a port without viper is slow


@dataclass
class Step:
    """One thing that happens to the board, and what came of it."""

    title: str
    expected: str
    outcome: str = ""
    figures: str = ""

    @property
    def ok(self) -> bool:
        return self.outcome == self.expected


@dataclass
class _Seen:
    """Console events of the board with the virtual time at which each came."""

    events: list[tuple[int, str]] = field(default_factory=list)
    app: dict[str, int] = field(default_factory=dict)

    def note(self, now_us: int, line: str) -> None:
        if line.startswith("mulligan: "):
            self.events.append((now_us, line))
        if line.startswith("app: "):
            for key, value in re.findall(r"(\w+)=(\d+)(?: |$)", line):
                self.app[key] = max(self.app.get(key, 0), int(value))

    def last(self, event: str) -> int:
        """Return the time of the last line of ``event``."""
        return next(at for at, line in reversed(self.events) if line.startswith(f"mulligan: {event} "))


class Demo:
    """The steps on one board. ``console`` shows them as they happen."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._steps: list[Step] = []
        self._seen = _Seen()

    def run(self) -> bool:
        """Run all steps, print the table; return whether each came out as it should. Raises: MulliganError, OSError."""
        with ExitStack() as stack:
            work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mulligan-demo-")))
            self._signer, self._stranger = (keys.create(work / f"{name}.pem") for name in ("release", "stranger"))
            with self._console.status("packing four models with golden vectors, and building release 1.0.0"):
                self._images = {version: _packed(version) for version in ("1.0.0", "1.1.0", "1.2.0-bad", "1.3.0-slow")}
                self._images["1.4.0"] = _packed("1.4.0", model="1.1.0")
                self._releases = release.Directory(work / "releases")
                self._publish("1.0.0", self._signer)
            web = stack.enter_context(server.serve(self._releases.path))
            ports = resolve()
            mp = next((mp for mp in ports if mp.bits == 32), ports[0])
            self._console.print(f"virtual board: {mp}; releases from {web.url} over TLS", highlight=False)
            setup = provision.Setup(
                _BOARD,
                ceremony.first([self._signer], [self._signer.public]),
                self._images["1.0.0"],
                web.url + "/",
                web.ca_der,
                poll_ms=_POLL_MS,
            )
            provision.virtual_flash(work / "flash.bin", setup, mp)
            self._board = stack.enter_context(
                VirtualBoard(work / "flash.bin", ports, on_line=self._line, wall_watchdog=_PATIENCE)
            )
            for action, title, expected in (
                (self._boot, "boots 1.0.0 and serves", "serving 1.0.0"),
                (self._update, "release 1.1.0, by patch", "1.1.0 confirmed"),
                (self._bad, "release 1.2.0-bad: signed, but wrong", "1.2.0-bad rolled back for wrong answers, 1.1.0 serving"),
                (
                    self._slow,
                    "release 1.3.0-slow: right, but over its latency budget",
                    "1.3.0-slow rolled back for its latency, 1.1.0 serving",
                ),
                (self._forged, "release 1.4.0, signed by a stranger", "refused, code 20, 1.1.0 serving"),
                (self._cut, "power cut in the middle of a write of 1.4.0", "off, then 1.1.0 serving, then 1.4.0 confirmed"),
            ):
                self._take(action, Step(title, expected))
            self._board.power_off()
            return self._summary()

    # The steps

    def _boot(self, step: Step) -> None:
        self._board.power_on()
        self._board.wait(r"^app: version=1\.0\.0 .*inferences=1 ", _TIMEOUT)
        step.outcome = "serving 1.0.0"
        step.figures = f"{self._board.clock_us // 1000} ms from power-on to the first inference"

    def _update(self, step: Step) -> None:
        self._publish("1.1.0", self._signer)
        self._verdict(step, "1.1.0")
        facts = self._facts("installed")
        received, size = int(facts["received"]), int(facts["size"])
        golden = self._facts("healthy")["correct"]
        step.figures = f"{facts['source']} of {received} bytes, {100 * received / size:.1f} % of full; golden vectors {golden}"

    def _bad(self, step: Step) -> None:
        self._rolled_back(step, "1.2.0-bad", "golden vectors right", "wrong answers")

    def _slow(self, step: Step) -> None:
        self._rolled_back(step, "1.3.0-slow", "us for an inference", "its latency")

    def _forged(self, step: Step) -> None:
        self._publish("1.4.0", self._stranger)
        self._board.wait("^mulligan: refused code=20 ", _TIMEOUT)
        step.outcome = f"refused, code {self._facts('refused')['code']}, {self._serving()} serving"
        step.figures = self._facts("refused")["reason"]

    def _cut(self, step: Step) -> None:
        self._board.cut_power(after=_CUT_AFTER, keep=0.5)
        self._releases.sign("1.4.0", self._signer)
        self._board.wait_off(_TIMEOUT)
        self._board.power_on()
        serving = self._serving()
        self._verdict(step, "1.4.0")
        facts = self._facts("installed")
        step.outcome = f"off, then {serving} serving, then {step.outcome}"
        step.figures = f"{facts['source']}: {facts['received']} bytes fetched after the cut"

    # What they share

    def _take(self, action: Callable[[Step], None], step: Step) -> None:
        self._steps.append(step)
        self._console.rule(f"{len(self._steps)}. {step.title}", align="left")
        try:
            action(step)
        except BoardError as e:
            step.outcome = str(e)
        mark = "[green]as expected[/]" if step.ok else f"[red]expected: {step.expected}[/]"
        self._console.print(f"   {step.outcome}: {mark}\n   {step.figures}", highlight=False)

    def _line(self, line: str) -> None:
        self._seen.note(self._board.clock_us, line)
        if not line.startswith("app: "):
            self._console.print(f"   [dim]{line}[/]", highlight=False)

    def _publish(self, version: str, signer: keys.Signer) -> None:
        self._releases.build(release.Order(self._images[version], [_BOARD], _HEALTH, boot_ms=1500))
        self._releases.sign(version, signer)

    def _verdict(self, step: Step, version: str) -> None:
        line = self._board.wait(rf"^mulligan: (confirmed|rolled-back) .*version={re.escape(version)}( |$)", _TIMEOUT)
        step.outcome = f"{version} {'confirmed' if ' confirmed ' in line else 'rolled back'}"

    def _rolled_back(self, step: Step, version: str, sign: str, cause: str) -> None:
        """``sign``: what the device's reason has in it if ``cause`` was the one."""
        self._publish(version, self._signer)
        self._verdict(step, version)
        reason = self._facts("rolled-back")["reason"]
        step.outcome += f" for {cause if sign in reason else reason}, {self._serving()} serving"
        took_ms = (self._seen.last("rolled-back") - self._seen.last("activated")) / 1000
        built = next(r for r in self._releases.releases() if r.release == version)
        bound_ms = manifest.bound_of(built)
        step.figures = f"back after {took_ms:.0f} ms, bound {bound_ms} ms: {reason}"
        if took_ms > bound_ms:
            step.outcome = f"rolled back only after {took_ms:.0f} ms, over the bound of {bound_ms} ms"

    def _serving(self) -> str:
        """The version that the app's next report names."""
        line = self._board.wait(r"^app: version=", _TIMEOUT)
        return line.split("version=")[1].split()[0]

    def _facts(self, event: str) -> dict[str, str]:
        """The key=value pairs of the last line of ``event``."""
        line = next(line for _, line in reversed(self._seen.events) if line.startswith(f"mulligan: {event} "))
        head, _, reason = line.partition(" reason=")
        return {**dict(re.findall(r"(\w+)=(\S+)", head)), "reason": reason}

    def _summary(self) -> bool:
        table = Table(title="What happened, and what should have", title_justify="left")
        for column in ("", "step", "outcome", "figures"):
            table.add_column(column)
        for step in self._steps:
            table.add_row("[green]ok[/]" if step.ok else "[red]NO[/]", step.title, step.outcome, step.figures)
        self._console.print(table)
        counters, app = self._board.flash.counters, self._seen.app
        longest_ms = app.get("longest_step_us", 0) / 1000
        worn = max(counters.sector_erases.values(), default=0)
        self._console.print(
            f"the app inferred all the while: longest gap between two inferences {app.get('gap_steps', 0)} update step, "
            f"longest step {longest_ms:.0f} ms on the virtual clock\n"
            f"peak heap on the device: {app.get('heap_peak', 0)} bytes live, of {app.get('heap', 0)}\n"
            f"flash: {counters.erases} sectors erased, none more than {worn} times; {counters.bytes_programmed} bytes programmed",
            highlight=False,
        )
        return all(step.ok for step in self._steps)


def _packed(version: str, model: str | None = None) -> bytes:
    """Return the slot image of one of the models that travel with the package."""
    tflite = resource(f"models/digits-{model or version}.tflite").read_bytes()
    samples = load_samples(resource("models/golden.npz"))
    return pack.pack(tflite, "digits", version, samples, _LABELS)
