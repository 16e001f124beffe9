"""A release over the cable: the board asks for files, and its own installer and its own checks decide what becomes of them."""

import time
from base64 import b64encode
from binascii import crc32
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mulligan_host.desk.link import DeviceError, Link
from mulligan_host.desk.report import Event, parse
from mulligan_host.errors import HostError

_ASKS = b"\x1e"
_DONE = "\x1edone "
_BOOT_SECONDS = 60.0  # without a line
_SILENCE_SECONDS = 60.0  # between two lines of a board that erases, decodes and writes
ENDS = ("confirmed", "rolled-back")

OnEvent = Callable[[Event], None]
OnBytes = Callable[[int], None]


@dataclass(frozen=True)
class Pushed:
    """How far a push came."""

    events: list[Event]
    """What the board reported."""
    sent: int
    """Bytes of files that it asked for."""
    on_trial: bool
    """Whether something is on trial now; else the board refused it, or has it already."""

    @property
    def refused(self) -> Event | None:
        """Why it was not taken."""
        return next((e for e in reversed(self.events) if e.event in ("refused", "waiting")), None)


def push(link: Link, directory: Path, prefix: str, on_event: OnEvent, on_bytes: OnBytes) -> Pushed:
    """Let the board at the raw REPL of ``link`` take what is in the release ``directory``. ``prefix``: its configuration's URL.

    A board that activates a firmware or an app resets itself; the link is at its console then.
    Raises: HostError where it can't, or the link is lost: another push goes on at the last whole chunk.
    """
    link.start_function("push", _DONE)
    events: list[Event] = []
    sent = 0
    while True:
        line = link.line(_SILENCE_SECONDS)
        if line is None:
            raise HostError(f"{link.port}: the board fell silent: push again, it goes on at the last whole chunk")
        if line == b"\x04":
            raise DeviceError(f"{link.port}: {_error(link)}")
        if line.startswith(_DONE.encode()):
            return Pushed(events, sent, line[len(_DONE) :].strip() != b"[]")
        at = line.find(_ASKS)
        if at >= 0:
            answer = _answer(line[at + 1 :].decode("utf-8", "replace"), directory, prefix)
            sent += len(answer)
            on_bytes(sent)
            link.write(answer + b"\n")
        elif event := parse(line.decode("utf-8", "replace")):
            events.append(event)
            on_event(event)
            if event.event == "boot":  # it has reset itself into what is on trial
                link.forget()
                return Pushed(events, sent, True)


def fell_back(link: Link) -> Event:
    """Wait until a rollback by hand is done. Raises: DeviceError where the board refuses it, HostError."""
    done = None
    while True:
        line = link.line(_SILENCE_SECONDS)
        if line is None:
            raise HostError(f"{link.port}: the board fell silent: see mulligan board status")
        if line == b"\x04" and done is None:
            raise DeviceError(f"{link.port}: {_error(link)}")
        event = parse(line.decode("utf-8", "replace"))
        if event and event.event == "fell-back":
            done = event
        elif event and event.event == "boot":
            link.forget()  # by a reset of the board's own
        if done and (line == b"\x04" or (event and event.event == "boot")):
            return done


def comes_up(link: Link) -> Event:
    """Wait until Mulligan on the board says how it has booted. Raises: HostError with the last thing that it said instead."""
    last = ""
    while (line := link.line(_BOOT_SECONDS)) is not None:
        text = line.decode("utf-8", "replace").strip()
        event = parse(text)
        if event and event.event == "boot":
            return event
        last = text or last
    raise HostError(f"{link.port}: Mulligan did not come up: {last or 'the board says nothing'}; see mulligan board log")


def watch(link: Link, names: set[str], seconds: float, on_event: OnEvent) -> Event | None:
    """Listen until one of ``names`` is confirmed or rolled back; None after ``seconds``. Raises: HostError."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        line = link.line(left)
        event = parse(line.decode("utf-8", "replace")) if line else None
        if event:
            on_event(event)
            if event.event in ENDS and event.facts.get("name") in names:
                return event
    return None


def _answer(request: str, directory: Path, prefix: str) -> bytes:
    words = request.split(" ")
    if words[0] == "get" and len(words) == 3:
        path = _path(words[2], directory, prefix)
        return b"-" if path is None else str(max(path.stat().st_size - int(words[1]), 0)).encode()
    if words[0] == "more" and len(words) == 4:
        path = _path(words[3], directory, prefix)
        if path is not None:
            with path.open("rb") as f:
                f.seek(int(words[1]))
                piece = f.read(int(words[2]))
            return b64encode(piece + crc32(piece).to_bytes(4, "little"))
    return b"?"  # a request that arrived damaged: it is asked again


def _path(url: str, directory: Path, prefix: str) -> Path | None:
    """The file that ``url`` names in the release directory; None where there is none."""
    path = directory / url.removeprefix(prefix)
    inside = path.resolve().is_relative_to(directory.resolve())
    return path if inside and path.is_file() else None


def _error(link: Link) -> str:
    """The last line of the traceback that follows."""
    last = b"an error without a word"
    while (line := link.line(2.0)) not in (None, b"\x04"):
        last = line or last
    return last.decode("utf-8", "replace")
