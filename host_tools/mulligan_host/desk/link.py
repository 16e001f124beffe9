"""The REPL of a board on a cable, through mpremote's transport; opened so that the board is not reset.

DTR and RTS together, as they are after an opening, hold neither GPIO0 nor EN down; what resets a board is RTS alone. So both stay
asserted, and at the end RTS goes first. A board whose RTS goes straight to EN is reset nevertheless: `Link.resets` says so.

To look at a board its program has to be interrupted, as there is one REPL. It is started again at the end by a soft reset, which
Mulligan does not count against a version on trial.
"""

import contextlib
import io
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import serial
from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport
from serial import SerialException

from mulligan_host import ports
from mulligan_host.boards import Board
from mulligan_host.errors import HostError

RUNTIME = Path(__file__).parent / "runtime"
BAUD = 115200
_ANSWER_SECONDS = 10.0
_BOOT_SECONDS = 60.0
_LONG_MS = 0x7FFFFFFF
OURS = "# Mulligan's boot.py"
"""How it begins."""
# Where it is, a watchdog stands over boot and trial: it has to wait until the program starts again; so that must be.
_HOLD = f"""
try:
    if open("/boot.py").read({len(OURS)}) == {OURS!r}:
        import machine
        machine.WDT(timeout={_LONG_MS})
        print("held")
except OSError:
    pass
"""
_QUIET_SECONDS = 0.3
_AGAIN_SECONDS = 1.5  # of a program that goes on talking
_INTERRUPTED = b"KeyboardInterrupt"
_PROMPT = b">>> "
_END = re.compile(rb"[\n\x04]")
_TAIL = 4096  # bytes of what a board says that are looked at


class DeviceError(HostError):
    """Code on the board raised: the last line of its traceback."""

    code = 101


class Link:
    """A board at its raw REPL, or listened to; made by `connect`."""

    def __init__(self, port: str, transport: Any, resets: bool) -> None:
        self.port = port
        self.resets = resets
        """Whether opening the port has reset the board."""
        self.interrupted = False
        """Whether a program was running, which the end of the link starts again."""
        self._transport = transport
        self._read = b""  # by `line`, beyond the last that it gave

    def enter(self, *, soft_reset: bool) -> None:
        """Interrupt the program, and enter the raw REPL; with ``soft_reset`` with a fresh heap, boot.py run and main.py not.

        Raises: HostError where no REPL answers.
        """
        with explained(self.port):
            try:
                if not self._interrupt():
                    raise TransportError("no prompt")
                seconds = _BOOT_SECONDS if soft_reset else _ANSWER_SECONDS
                self._transport.enter_raw_repl(soft_reset=soft_reset, timeout_overall=seconds)
            except TransportError:
                raise HostError(
                    f"{self.port}: no MicroPython answers there: check --port; or reset the board, if its program "
                    "does not let itself be interrupted"
                ) from None

        if self.execute(_HOLD).strip():
            self.interrupted = True

    def execute(self, code: str, timeout: float = _ANSWER_SECONDS) -> str:
        """Run ``code``; return what it printed. ``timeout``: seconds without a byte. Raises: DeviceError, HostError."""
        with explained(self.port):
            out, error = self._transport.exec_raw(code, timeout=timeout)
        if error:
            raise DeviceError(f"{self.port}: {_last_line(error)}")
        return bytes(out).decode("utf-8", "replace").replace("\r\n", "\n")

    def run(self, name: str, *arguments: object, timeout: float = _ANSWER_SECONDS) -> Any:
        """Call the function ``name`` of runtime/``name``.py on the board; return what it returns, by way of JSON."""
        return self.run_lines(name, *arguments, timeout=timeout)[1]

    def run_lines(self, name: str, *arguments: object, timeout: float = _ANSWER_SECONDS) -> tuple[list[str], Any]:
        """As `run`, with the lines that it printed before."""
        said = self.execute(_call(name, arguments), timeout)
        lines = said.rstrip().split("\n")
        try:
            return lines[:-1], json.loads(lines[-1])
        except ValueError:
            raise self.garbled() from None

    def garbled(self) -> HostError:
        """For an answer that is not what the code that ran there prints."""
        return HostError(f"{self.port}: garbled answer: check the cable, and that nothing else prints there")

    def start(self, code: str) -> None:
        """Start ``code``, and don't wait for its end: `line` and `write` are for what it says and wants to hear."""
        with explained(self.port):
            self._transport.exec_raw_no_follow(code)

    def start_function(self, name: str, mark: str) -> None:
        """As `start`, for a function as `run` calls it; what it returns comes on a line of its own, behind ``mark``."""
        self.start(_call(name, (), mark))

    def line(self, timeout: float) -> bytes | None:
        """The next line, without its end; b"\\x04" where a program that was started has ended; None after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        with explained(self.port):
            while not (end := _END.search(self._read)):
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._read += self._some(left)
        line, self._read = self._read[: end.start()], self._read[end.end() :]
        return line.rstrip(b"\r") if end[0] == b"\n" else end[0]

    def write(self, data: bytes) -> None:
        """Send ``data`` as it is."""
        with explained(self.port):
            self._transport.serial.write(data)

    def resume(self) -> None:
        """Let the program run again, after a soft reset: the link is at its console then."""
        with explained(self.port):
            if self._transport.in_raw_repl:
                self._transport.exit_raw_repl()
                self._transport.serial.write(b"\x04")
        self.interrupted = False

    def forget(self) -> None:
        """The program is not to be started again, as the board is about to reset."""
        self.interrupted = False
        self._transport.in_raw_repl = False

    def close(self) -> None:
        """Start the program again, if one was interrupted, and let go of the port."""
        with contextlib.suppress(HostError, SerialException, OSError):
            if self.interrupted:
                self.resume()
            elif self._transport.in_raw_repl:
                self._transport.exit_raw_repl()
            self._transport.serial.flush()
        try:
            with contextlib.suppress(SerialException, OSError):
                self._transport.close()
        finally:
            self._transport.serial.close()  # mpremote leaves it open where a line can't be set any more

    def _interrupt(self) -> bool:
        """Ctrl-C until there is a prompt, as a board that boots misses some; whether there is. Notes if there was a program."""
        deadline = time.monotonic() + _ANSWER_SECONDS
        while time.monotonic() < deadline:
            self._transport.serial.write(b"\r\x03\x02")  # Ctrl-B: out of a raw REPL that somebody left
            said = b""
            again, quiet = time.monotonic() + _AGAIN_SECONDS, time.monotonic() + _QUIET_SECONDS
            while time.monotonic() < min(quiet, again):
                if self._waiting():
                    said = (said + self._transport.serial.read(self._waiting()))[-_TAIL:]
                    quiet = time.monotonic() + _QUIET_SECONDS
                else:
                    time.sleep(0.01)
                self.interrupted = self.interrupted or _INTERRUPTED in said
            if said.endswith(_PROMPT):
                return True
        return False

    def _some(self, seconds: float) -> bytes:
        """What has come, or else the first byte that comes within ``seconds``."""
        port = self._transport.serial
        if waiting := self._waiting():
            return bytes(port.read(waiting))
        before, port.timeout = port.timeout, seconds
        try:
            return bytes(port.read(1))
        finally:
            port.timeout = before

    def _waiting(self) -> int:
        return int(self._transport.serial.in_waiting)


@contextmanager
def connect(port: str, board: Board | None = None, baud: int = BAUD) -> Iterator[Link]:
    """Open ``port`` and let the board run on.

    Raises: HostError where it can't be opened.
    """
    with explained(port):
        try:
            transport = SerialTransport(port, baud)
        except TransportError:
            # It says that it could not, and not why.
            serial.serial_for_url(port, baud, exclusive=True).close()
            transport = SerialTransport(port, baud)
        with contextlib.suppress(AttributeError):
            transport.serial.timeout = _ANSWER_SECONDS  # a board that stops answering is an error, and not waited for for ever
    link = Link(port, transport, board is not None and board.port.reset == "on-open")
    try:
        yield link
    finally:
        link.close()


@contextmanager
def explained(port: str) -> Iterator[None]:
    """mpremote's and pyserial's exceptions as ours, in one line; and mpremote prints nothing."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except TransportExecError as e:
        raise DeviceError(f"{port}: {_last_line(e.error_output.encode())}") from e
    except (TransportError, SerialException, OSError, ValueError) as e:
        raise ports.explained(port, e) from e


def _call(name: str, arguments: tuple[object, ...], mark: str = "") -> str:
    text = (RUNTIME / f"{name}.py").read_text(encoding="utf-8")
    return f"{text}\nimport json\nprint({mark!r} + json.dumps({name}({', '.join(map(repr, arguments))})))\n"


def _last_line(error: bytes) -> str:
    lines = error.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "an error without a word"
