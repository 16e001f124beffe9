"""The real device package in this process: its modules of the chip are the virtual board's, over a chip in memory.

What is exchanged is what no CPython has: ``_virtual``, the wire between a program and its board, is a call here; ``socket`` in
`port.http` is a directory in memory; clock and heap in `port` are the chip's. All else is the code that runs on a board: `board`,
the agent, the ports, the interpreter, ``esp32.Partition`` of the virtual board, its bootloader and its NOR rules.

A reset, a watchdog that fires and a power cut end the program by `Ended`, which no code of the device's can catch.
"""

import gc
import importlib.util
import io
import socket
import sys
import time
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

from mulligan.borrow import Borrowed
from mulligan.core import p256
from mulligan.tflite import loader
from mulligan_host.virtual import bootloader, protocol
from mulligan_host.virtual import chip as chips
from mulligan_host.virtual.clock import WatchdogExpired
from mulligan_host.virtual.flash import Nor, PowerCut
from mulligan_host.virtual.protocol import Cause, Op
from powerloss.nor import Refused

RUNTIME = Path(chips.__file__).parent / "runtime"
HEAP = 131072
"""What ``gc`` says is free: never short here. Memory is tested on MicroPython."""


MOST_REQUESTS = 300


class Ended(BaseException):
    """The program is over: the chip resets, with this cause, or has lost its power, with none."""

    def __init__(self, cause: Cause | None) -> None:
        super().__init__(cause)
        self.cause = cause


class Enough(BaseException):
    """The program does not come to an end."""


class Link:
    """The wire: whoever holds ``chip`` is the board that the program runs on."""

    def __init__(self) -> None:
        self.chip: chips.Chip | None = None
        self.on_work: Callable[[], None] | None = None
        """Called before the program reports work: to let a version hang."""
        self.on_call: Callable[[Op], None] | None = None
        """Called before each request of the program."""
        self._payload = b""

    def call(self, op: int, a: int = 0, b: int = 0, data: bytes = b"", into: Any = None) -> int:
        """As ``runtime/_virtual.py``."""
        assert self.chip is not None
        if op == Op.WORK and self.on_work:
            self.on_work()
        if self.on_call:
            self.on_call(Op(op))
        try:
            answer = self.chip.handle(op, a, b, bytes(data))
        except chips.Reset as e:
            raise Ended(e.cause) from None
        except WatchdogExpired:
            raise Ended(Cause.WATCHDOG) from None
        except PowerCut:
            raise Ended(None) from None
        except Refused:
            raise error(protocol.EIO) from None
        assert answer is not None, "the program is at the REPL"
        value, self._payload = answer
        if value < 0:
            raise error(value)
        if into is not None:
            memoryview(into)[:] = self._payload
        return value

    def read(self, address: int, buf: Any) -> None:
        self.call(Op.READ, address, len(buf), b"", buf)

    def payload(self, op: int, a: int = 0, b: int = 0, data: bytes = b"") -> bytes:
        self.call(op, a, b, data)
        return self._payload


def error(value: int) -> OSError:
    return OSError(value, "ESP_ERR") if value in (-1, -0x102, -0x104, -0x105, -0x1503) else OSError(-value, "EIO")


link = Link()


class Site:
    """What answers the device's requests: files by path, and the faults of the links to it, one for each request.

    ``drops``: bytes of body after which a link is lost, in the order of the requests for artifacts; then all is well.
    """

    def __init__(self, files: Mapping[str, bytes], drops: tuple[int, ...] = ()) -> None:
        self.files = files
        self.drops = drops
        self.requests: list[str] = []

    def reset(self) -> None:
        self.requests = []
        self._dropped = 0

    def answer(self, request: bytes) -> bytes:
        head = request.decode().split("\r\n")
        path = head[0].split(" ")[1]
        ranged = next((line for line in head if line.startswith("Range: bytes=")), None)
        if len(self.requests) == MOST_REQUESTS:
            raise Enough
        self.requests.append(path if ranged is None else f"{path} from {ranged[13:-1]}")
        data = self.files.get(path)
        if data is None:
            return b"HTTP/1.1 404 Not Found\r\n\r\n"
        start = int(ranged[13:-1]) if ranged else 0
        status = b"206 x\r\nContent-Range: bytes %d-%d/%d" % (start, len(data) - 1, len(data)) if ranged else b"200 OK"
        body = data[start:]
        answer = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        if path.startswith("/artifacts/") and self._dropped < len(self.drops):
            body = body[: self.drops[self._dropped]]
            self._dropped += 1
        return answer + body


class _Socket:
    """A stream that never has to wait."""

    def __init__(self, *options: object) -> None:
        self._answer = memoryview(b"")
        self._request = b""

    def settimeout(self, seconds: float) -> None: ...

    def setblocking(self, yes: bool) -> None: ...

    def connect(self, address: object) -> None: ...

    def close(self) -> None: ...

    def write(self, data: memoryview) -> int:
        self._request += bytes(data)
        if self._request.endswith(b"\r\n\r\n"):
            assert current.site is not None
            self._answer = memoryview(current.site.answer(self._request))
        return len(data)

    def readinto(self, buffer: memoryview) -> int:
        count = min(len(buffer), len(self._answer))
        buffer[:count] = self._answer[:count]
        self._answer = self._answer[count:]
        return count


class Current:
    """What is around the program that runs now."""

    site: Site | None = None
    config: bytes = b""
    started = 0
    """The time of day at which the chip's clock was at 0: long ago, so that it was never set."""
    mounted: ClassVar[dict[str, bytes]] = {}
    """What is mounted where, as the digest of its image."""
    app: bytes | None = None
    """The digest of the app that runs."""
    works: bool = False
    """Whether the device package is at work, and neither its app nor whoever watches."""
    booted: bool = False


current = Current()


class Tight:
    """What takes the place of ``bytearray`` in the device package, and of what it borrows: a heap whose ``nth`` allocation from
    now on fails, ``times`` in a row; booted: counted without those of a boot."""

    def __init__(self, nth: int, times: int = 1, booted: bool = False) -> None:
        self._failing = range(nth, nth + times)
        self._booted = booted
        self.count = 0

    def allocate(self) -> None:
        if current.works and (current.booted or not self._booted):
            self.count += 1
            if self.count in self._failing:
                raise MemoryError

    @contextmanager
    def heap(self) -> Iterator[None]:
        """While this lasts, the device has this heap."""

        def tight(*args: Any) -> bytearray:
            self.allocate()
            return bytearray(*args)

        def enter(borrowed: Any) -> Any:
            self.allocate()
            return _enter(borrowed)

        modules = [module for name, module in sys.modules.items() if name.startswith("mulligan.")]
        for module in modules:
            if not hasattr(module, "bytearray"):
                module.__dict__["bytearray"] = tight
        _borrowed.__enter__ = enter
        try:
            yield
        finally:
            _borrowed.__enter__ = _enter
            for module in modules:
                if module.__dict__.get("bytearray") is tight:
                    del module.__dict__["bytearray"]


_borrowed: Any = Borrowed
_enter = _borrowed.__enter__


def _now_s() -> float:
    assert link.chip is not None
    return current.started + link.chip.clock.now_us / 1e6


def _ticks_ms() -> int:
    return link.call(Op.TICKS, 1000)


def _module(name: str, **members: object) -> Any:
    made = types.ModuleType(name)
    made.__dict__.update(members)
    return made


_time = _module(
    "time", ticks_ms=_ticks_ms, ticks_add=lambda a, b: a + b, ticks_diff=lambda a, b: a - b, time=_now_s, gmtime=time.gmtime
)
_gc = _module("gc", collect=lambda: None, mem_alloc=lambda: HEAP // 2, mem_free=lambda: HEAP // 2)


class _Littlefs:
    """vfs.VfsLfs2, as far as it finds out whether there is a filesystem at all, and which: ``digest`` is that of the image."""

    def __init__(self, blocks: Any, **options: object) -> None:
        content = bytearray(blocks.ioctl(4, 0) * blocks.ioctl(5, 0))
        blocks.readblocks(0, content, 0)
        if content[8:16] != b"littlefs":
            raise OSError(19)
        self.digest = sha256(content).digest()


def _mount(filesystem: _Littlefs, where: str, readonly: bool) -> None:
    current.mounted[where] = filesystem.digest


_vfs = _module("vfs", VfsLfs2=_Littlefs, mount=_mount, umount=lambda where: current.mounted.pop(where))


class _Sys:
    """``sys`` of the firmware that runs, for `port.system`."""

    @property
    def implementation(self) -> Any:
        assert link.chip is not None
        assert link.chip.boot is not None
        runs = link.chip.boot.firmware
        return types.SimpleNamespace(version=tuple(map(int, runs.version.split("."))), _mpy=runs.mpy)


_images: dict[bytes, Any] = {}
_load_image: Any = bootloader.load


def _loaded(flash: Any, app: Any) -> Any:
    """bootloader.load, truly done once for each content: images here have two sectors at most."""
    head = flash.peek(app.offset, 0x2000)
    if head not in _images:
        _images[head] = _load_image(flash, app)
    return _images[head]


_socket = _module("socket", SOCK_STREAM=1, getaddrinfo=lambda *a: [(2, 1, 0, "", a[:2])], socket=_Socket)


def _load(name: str) -> Any:
    """A module of the virtual board's runtime."""
    spec = importlib.util.spec_from_file_location(name, RUNTIME / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


_key: Any = p256.Key
_loader: Any = loader
_known: dict[tuple[object, ...], bool] = {}
_verify = _key.verify


def _verified(self: Any, digest: Any, signature: Any, hint: Any = None) -> bool:
    """p256.Key.verify, truly done once for each question: the power is cut in thousands of places under the same signatures."""
    question = (self._point, bytes(digest), bytes(signature), None if hint is None else bytes(hint))
    if question not in _known:
        _known[question] = _verify(self, digest, signature, hint)
    return _known[question]


_surveyed: dict[bytes, Any] = {}
_survey = _loader.survey


def _looked_at(source: Any) -> Any:
    """loader.survey, truly done once for each model; what loads the model uses up what it is given."""
    content = bytearray(source.size)
    source.readinto(0, content)
    if bytes(content) not in _surveyed:
        _surveyed[bytes(content)] = _survey(source)
    return deepcopy(_surveyed[bytes(content)])


def _run_from(where: str) -> None:
    current.app = current.mounted[where]


EXCHANGED = {
    "time": (time, _time),
    "gc": (gc, _gc),
    "socket": (socket, _socket),
    "BytesIO": (io.BytesIO, lambda size: io.BytesIO()),
}
"""What device modules import: its name there, what it is, and what takes its place. MicroPython's BytesIO takes the bytes to set
aside."""


def _modules() -> Iterator[Any]:
    """The modules of policy and ports, imported."""
    package = Path(importlib.import_module("mulligan").__path__[0])
    for path in sorted([*package.glob("*.py"), *package.glob("port/*.py")]):
        if path.stem != "__init__":
            yield importlib.import_module(".".join(["mulligan", *path.relative_to(package).with_suffix("").parts]))


@contextmanager
def online(site: Site) -> Iterator[None]:
    """A program that only talks to ``site``, at no time of any clock."""
    flash = Nor(bytearray(b"\xff" * 0x1000))
    link.chip, current.site = chips.Chip(flash, bytes(6), lambda what: None), site
    site.reset()
    yield


@contextmanager
def wired() -> Iterator[Any]:
    """The module `mulligan.board`, on the chip of ``link``; everything is as it was afterwards."""
    before = set(sys.modules)
    constants = {op.name: int(op) for op in protocol.Op}
    sys.modules["_virtual"] = _module(
        "_virtual", call=link.call, read=link.read, stop=link.call, payload=link.payload, error=error, **constants
    )
    _load("machine")
    _load("esp32")
    sys.modules["vfs"] = _vfs
    exchanged = []
    _key.verify, _loader.survey = _verified, _looked_at
    try:
        for module in _modules():
            for name, (real, ours) in EXCHANGED.items():
                if getattr(module, name, None) is real:
                    setattr(module, name, ours)
                    exchanged.append((module, name, real))
        board: Any = sys.modules["mulligan.board"]
        board.Device._read = lambda device, path: current.config
        sys.modules["mulligan.port.mount"].__dict__["run_from"] = _run_from
        sys.modules["mulligan.port.system"].__dict__["sys"] = _Sys()
        bootloader.load = _loaded
        yield board
    finally:
        _key.verify, _loader.survey, bootloader.load = _verify, _survey, _load_image
        for module, name, real in exchanged:
            setattr(module, name, real)
        # What was imported on these modules of a chip must not be found by others.
        bound = ("_virtual", "machine", "esp32", "vfs", "mulligan.board", "mulligan.port")
        for name in [name for name in sys.modules if name not in before and name.startswith(bound)]:
            parent, _, attribute = name.rpartition(".")
            del sys.modules[name]
            if parent in sys.modules and hasattr(sys.modules[parent], attribute):
                delattr(sys.modules[parent], attribute)
