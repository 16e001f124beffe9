"""A board under test: what a test asks of it, whatever it is made of."""

import contextlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport

from mulligan_host.errors import HostError
from mulligan_host.hil.console import Console
from mulligan_host.hil.rig import Spec

_TOOL_SECONDS = 600.0
_ANSWER_SECONDS = 10.0
_QUIET_SECONDS = 0.2
_SHOWN = 200  # characters of a command, or of what came in place of an answer, in the log
_PROGRESS_FILE = "/hil.json"
_READ = f"""
try:
    print(open({_PROGRESS_FILE!r}).read())
except OSError:
    print('null')
"""


class BoardFailure(HostError):
    """A board did not do what a test asked for."""

    code = 102


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    error: str

    @property
    def json(self) -> Any:
        """What it printed with --json. Raises: BoardFailure if that is no JSON."""
        try:
            return json.loads(self.out)
        except ValueError:
            raise BoardFailure(f"no JSON: {self.out!r} {self.error}") from None


class Repl(SerialTransport):  # type: ignore[misc] # mpremote has no types
    """mpremote's raw REPL, on a port that is open already."""

    def __init__(self, port: Any) -> None:
        self.serial = port
        self.device_name = port.name
        self.in_raw_repl = self.mounted = self.is_pty = False
        self.use_raw_paste = True
        self.heard = b""
        """What came while an answer was last waited for."""

    def enter(self) -> None:
        """Interrupt what runs, without a soft reset."""
        self.serial.timeout = _QUIET_SECONDS
        # What an earlier attempt typed at a board that was not listening yet is read by its REPL now, and answered.
        self.serial.write(b"\r\x03")
        deadline = time.monotonic() + _ANSWER_SECONDS
        while self.serial.read(1 << 10) and time.monotonic() < deadline:
            pass
        self.serial.timeout = _ANSWER_SECONDS
        with contextlib.redirect_stdout(io.StringIO()):  # mpremote prints what it got in place of a REPL
            self.enter_raw_repl(soft_reset=False)

    def read_until(self, *arguments: Any, **options: Any) -> bytes:
        """As mpremote's."""
        self.heard = super().read_until(*arguments, **options)
        return self.heard

    def execute(self, code: str) -> str:
        """Run ``code`` and return what it printed."""
        said: bytes = self.exec(code)
        self.exit_raw_repl()
        self.read_until(1, b">>> ")  # the greeting of the REPL, which is not to be taken for a boot's
        return said.decode(errors="replace").replace("\r\n", "\n")


class Power:
    """A board's supply. ``skip`` is called, and does not return, with what a board can't do."""

    def __init__(self, spec: Spec, virtual: Any, skip: Callable[[str], None]) -> None:
        self._spec = spec
        self.virtual = virtual
        """The VirtualBoard, if it is one."""
        self._skip = skip

    def off(self) -> None:
        """Switch it off, now."""
        if self.virtual is not None:
            self.virtual.power_off()
        else:
            self._switch(self._spec.power_off)

    def on(self) -> None:
        """Switch it on. On a virtual board nothing happens if it is on."""
        if self.virtual is None:
            self._switch(self._spec.power_on)
        elif not self.virtual.powered:
            self.virtual.power_on()

    def cycle(self, seconds: float = 1.0) -> None:
        """Switch it off and, after ``seconds``, on again; a virtual board needs no rest."""
        self.off()
        if self.virtual is None:
            time.sleep(seconds)
        self.on()

    def cut(self, after: int, keep: float = 0.5) -> None:
        """Let the power fail inside the ``after``-th flash operation from now, with ``keep`` of it done: virtual boards only."""
        if self.virtual is None:
            self._skip(f"{self._spec.name}: only a virtual board's power can be cut inside a flash operation")
        self.virtual.cut_power(after, keep)

    def wait_off(self, timeout: float = 60.0) -> None:
        """Wait until a cut has come. Raises: BoardError."""
        self.virtual.wait_off(timeout)

    def _switch(self, command: str) -> None:
        if not command:
            self._skip(f"{self._spec.name}: no power switch: give power_on and power_off in rig.toml")
        done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=_TOOL_SECONDS)  # noqa: S602 - theirs
        if done.returncode:
            raise BoardFailure(f"{self._spec.name}: {command}: exit code {done.returncode}: {done.stderr.strip()}")


class Board:
    """One board. Its port is listened to but while a command has it; ``test`` names the test that it is used by."""

    def __init__(self, spec: Spec, port: str, power: Power, firmware: str) -> None:
        self.spec = spec
        self.name = spec.name
        self.port = port
        self.power = power
        self.firmware = firmware
        """Path of the combined .bin that `flash` writes."""
        self.console = Console(port)
        self.test = ""

    @property
    def lines(self) -> list[str]:
        """The console so far."""
        return self.console.lines

    def wait(self, pattern: str, timeout: float = 60.0) -> str:
        """Return the next line of the console that matches. Raises: HostError if there is none within ``timeout`` seconds."""
        return self.console.wait(pattern, timeout)

    def reset(self) -> None:
        """Reset it by its EN line. What it said before is past: `wait` looks for what it says now."""
        self.console.reset()

    def erase(self) -> None:
        """Erase all of its flash. Raises: BoardFailure."""
        if self.power.virtual:
            self.restore(b"\xff" * self.power.virtual.flash.size)
            return
        outcome = self._run([sys.executable, "-m", "esptool", "--port", self.port, "erase-flash"])
        if outcome.code:
            raise BoardFailure(f"{self.name}: esptool erase-flash: {outcome.out.strip().splitlines()[-1:]}")

    def save(self) -> bytes | None:
        """Return all of its flash, for `restore`; None for a board that this would take minutes on."""
        return self.power.virtual.flash.peek(0, self.power.virtual.flash.size) if self.power.virtual else None

    def restore(self, saved: bytes) -> None:
        """Give a virtual board the flash that `save` returned, and switch it on with it."""
        with self.console.free():
            self.power.off()
            self.power.virtual.flash.poke(0, saved)
            self.power.on()

    # `mulligan board …`, as a user runs it

    def mulligan(self, *arguments: object) -> Any:
        """Run ``mulligan board …`` on it; return its JSON. Raises: BoardFailure, with the one line that the command says."""
        outcome = self.attempt(*arguments)
        if outcome.code:
            raise BoardFailure(f"mulligan board {arguments[0]}: {outcome.error.strip()}")
        return outcome.json

    def attempt(self, *arguments: object) -> Outcome:
        """Run ``mulligan board …`` on it, to whatever end."""
        return self._run([sys.executable, "-m", "mulligan_host", "board", *map(str, arguments), "--port", self.port, "--json"])

    def flash(self, *options: object) -> Any:
        """Flash MicroPython under Mulligan's layout."""
        if not self.firmware:
            raise BoardFailure(f"{self.name}: which firmware? give it in rig.toml, or with --firmware")
        layout = ["--layout", self.spec.layout] if self.spec.layout else []
        return self.mulligan("flash", self.firmware, "--board", self.spec.kind, *layout, *options)

    def install(self, key: Path, *options: object) -> Any:
        """Install Mulligan, trusting the public ``key``."""
        return self.mulligan("install", "--board", self.spec.kind, "--key", key, *options)

    def push(self, directory: Path, *options: object) -> Any:
        """Push the release in ``directory``, and wait for the verdict."""
        return self.mulligan("push", directory, *options)

    def status(self) -> Any:
        """What is on it. A look ends with a soft reset: where the board is in the middle of one, it is looked at once more."""
        first = self.attempt("status")
        return self.mulligan("status") if first.code else first.json

    def rollback(self, plane: str, *options: object) -> Any:
        """Have it go back to the version of ``plane`` before the one that it runs."""
        return self.mulligan("rollback", plane, *options)

    # MicroPython, by mpremote

    def exec(self, code: str) -> str:
        """Interrupt what runs, run ``code`` in its place, and return what that printed. `reset` starts the program again."""
        said: str = self._repl(code, lambda repl: repl.execute(code))
        for line in said.splitlines():
            self.console.say(f"  {line}")
        return said

    def start(self, code: str) -> None:
        """As `exec`, for code that ends in a reset, or never: what it prints is the console's."""
        self._repl(code, lambda repl: repl.exec_raw_no_follow(code))

    def _repl(self, code: str, act: Callable[[Repl], Any]) -> Any:
        self.console.say(f"exec {' '.join(code.split())}"[:_SHOWN])
        try:
            with ExitStack() as stack:
                try:
                    repl = stack.enter_context(self._entered())
                except (TransportError, OSError):  # a board that was just booting hears no Ctrl-C, and its port may have gone
                    repl = stack.enter_context(self._entered())
                return act(repl)
        except TransportExecError as e:
            raise BoardFailure(f"{self.name}: {e.error_output.strip()}") from None
        except (TransportError, OSError) as e:
            raise BoardFailure(f"{self.name}: {e}") from e

    @contextmanager
    def _entered(self) -> Iterator[Repl]:
        with self.console.borrowed() as port:
            repl = Repl(port)
            try:
                repl.enter()
                yield repl
            except (TransportError, OSError) as e:
                self.console.say(f"  {type(e).__name__}, after {repl.heard[-_SHOWN:]!r}")
                raise

    def mpremote(self, *arguments: object) -> Outcome:
        """Run mpremote on it, to whatever end."""
        return self._run([sys.executable, "-m", "mpremote", "connect", self.port, *map(str, arguments)])

    # A test that spans resets

    def steps(self, *names: str) -> Iterator[str]:
        """Give ``names`` one after the other; which is next stands in the board's flash, and is checked there after each.

        So a step may reset the board, cut its power or unplug it; and a test that was stopped goes on, when it is run again, with
        the step that it was stopped in. Raises: BoardFailure if the board has forgotten.
        """
        progress = json.loads(self.exec(_READ)) or {}
        first = progress.get("step", 0) if progress.get("test") == self.test else 0
        for i in range(first, len(names)):
            written = {"test": self.test, "step": i}
            self.exec(f"with open({_PROGRESS_FILE!r}, 'w') as f: f.write({json.dumps(written)!r})")
            yield names[i]
            if json.loads(self.exec(_READ)) != written:
                raise BoardFailure(f"{self.name}: after step {names[i]!r} its flash no longer says which step that was")
        self.exec(f"import os; os.remove({_PROGRESS_FILE!r})")

    def _run(self, command: list[str]) -> Outcome:
        self.console.say(" ".join(" ".join(command[3:]).split())[:_SHOWN])
        with self.console.free():
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=_TOOL_SECONDS, stdin=subprocess.DEVNULL
            )
        for line in (done.stdout + done.stderr).splitlines():
            self.console.say(f"  {line}")
        return Outcome(done.returncode, done.stdout, done.stderr)
