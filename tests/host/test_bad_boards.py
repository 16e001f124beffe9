"""Bad input at a board: the wrong one, a line that fails, no permission, no room. With the files of test_images and the ports of
test_ports each is one line, which says what to do."""

import os
import pty
import re
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import serial

from host import firmwares, test_images, test_ports
from host.commands import mulligan
from host.refusals import TO_DO, assert_error
from host.serialdesk import QUIET, Desk, app
from mulligan.core.partitions import encode
from mulligan_host import keys
from mulligan_host.micropython import MicroPython
from mulligan_host.partitions import read_csv
from mulligan_host.virtual.serial.faults import Faults

pytestmark = QUIET
LOOP = b"import time\nwhile True: time.sleep_ms(10)\n"
BLIND = b"import micropython\nmicropython.kbd_intr(-1)\nprint('main begins')\n" + LOOP
STOCK = firmwares.STOCK_OTA_TABLE.read_text() + "vfs,data,fat,,640K\n"
_NOBODY = 65534


class Bench:
    """A directory with right files, in which commands run, and boards to run them on."""

    def __init__(self, work: Path, mp: MicroPython, stack: ExitStack) -> None:
        self._work, self._mp, self._stack = work, mp, stack
        (work / "none").mkdir()
        table = encode(read_csv(firmwares.STOCK_TABLE))
        Path("fw.bin").write_bytes(firmwares.merged("esp32", firmwares.bootloader(), table, app(mp)))
        Path("stock.csv").write_text(STOCK)
        Path("c3.toml").write_text('like = "esp32c3"\n[port]\nreset = "classic"\n')
        Path("rel").mkdir()
        keys.create(Path("k.pem"))

    def board(self, files: dict[str, bytes] | None = None, layout: str = "", until: str = "", **options: Any) -> str:
        """The port of a board that is on, and has said ``until``; ``bare``: its firmware has no Mulligan."""
        if options.pop("bare", False):
            options["package"] = lambda mp: self._work / "none"
        if layout:
            options["layout"] = Path(layout)
        desk = self._stack.enter_context(Desk(self._work, self._mp, files, **options))
        desk.board.power_on()
        desk.board.wait(until or ("ota_0 runs" if files is not None else "no partition table"))
        return desk.port

    def silent(self) -> str:
        """A port at which nobody answers."""
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        self._stack.callback(os.close, ours)
        self._stack.callback(os.close, theirs)
        return os.ttyname(theirs)

    def busy(self) -> str:
        """A port that somebody has open."""
        port = self.silent()
        self._stack.enter_context(serial.Serial(port, exclusive=True))
        return port

    def forbidden(self) -> str:
        """A port that its owner alone may open; not even the owner, where that is who runs the tests."""
        port = self.silent()
        Path(port).chmod(0o600 if os.geteuid() == 0 else 0)
        return port


FLASH = ("board", "flash", "fw.bin", "--board")
INSTALL = ("board", "install", "--board", "virtual", "--key", "k.pub.pem")
STATUS, PUSH, ROLLBACK = ("board", "status"), ("board", "push", "rel"), ("board", "rollback", "model")
Case = tuple[Callable[[Bench], str], tuple[str, ...], str]
CASES: dict[str, Case] = {
    "wrong chip": (lambda b: b.board(rfc2217=True), ("partitions", "show", "--board", "c3.toml"), "choose the right --board"),
    "data in the way": (lambda b: b.board({}, "stock.csv", rfc2217=True), (*FLASH, "virtual"), "go on with --erase-moved"),
    "nobody to flash": (Bench.silent, ("partitions", "show", "--board", "esp32"), "press EN"),
    "deaf": (lambda b: b.board({"main.py": BLIND}, "", "main begins"), INSTALL, "no MicroPython answers there: check --port"),
    "busy port": (Bench.busy, INSTALL, "is in use: close whatever has it open"),
    "busy port to flash": (Bench.busy, (*FLASH, "virtual"), "is in use: close whatever has it open"),
    "no permission": (Bench.forbidden, STATUS, "may not be opened by you: join its group"),
    "no permission to flash": (Bench.forbidden, ("partitions", "show", "--board", "esp32"), "may not be opened by you"),
    "unplugged while flashing": (
        lambda b: b.board(rfc2217=True, faults=Faults(dies_after=1500)), (*FLASH, "virtual"), "plug the board in again"
    ),
    "unplugged while installing": (
        lambda b: b.board({}, rfc2217=True, faults=Faults(dies_after=3000)), INSTALL, "plug the board in again"
    ),
    "full filesystem": (lambda b: b.board({"a": b"x" * 300_000}, bare=True), INSTALL, "KiB free, this needs .* flash a layout"),
    "no journal": (lambda b: b.board({}, "stock.csv"), INSTALL, "has no journal: give it a layout of Mulligan's"),
    "nothing installed": (lambda b: b.board({}), PUSH, "Mulligan does not run there: mulligan board install"),
    "nothing to go back to": (lambda b: b.board({}), ROLLBACK, "Mulligan does not run there: mulligan board install"),
}  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path, micropython32: MicroPython, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        yield Bench(tmp_path, micropython32, stack)


def as_nobody(*arguments: str) -> tuple[int, str]:
    """Run the command in a process that is not root's, whose modules are those of this one; return its exit code and stderr."""
    port = next(word for word in arguments if word.startswith("/dev/"))
    mulligan(*[word.replace(port, "/dev/ttyNoSuch0") for word in arguments])  # loads the modules, which not everybody may read
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
        done = mulligan(*arguments)
        os.write(writing, f"{done.returncode}\n{done.stderr}".encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    with os.fdopen(reading) as f:
        code, _, said = f.read().partition("\n")
    return int(code), said


@pytest.mark.parametrize("name", CASES)
def test_at_a_board(bench: Bench, name: str) -> None:
    prepare, arguments, said = CASES[name]
    port = prepare(bench)
    given = [*arguments[:2], port, *arguments[2:]] if arguments[0] == "partitions" else [*arguments, "--port", port]
    if prepare is Bench.forbidden and os.geteuid() == 0:
        code, error = as_nobody(*given)
    else:
        done = mulligan(*given)
        code, error = done.returncode, done.stderr
    assert_error(code, error)
    assert re.search(said, error), error
    assert TO_DO.search(error), error


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 12
    assert len(CASES) + len(test_images.WRONG) + len(test_ports.PORTS) >= 50
