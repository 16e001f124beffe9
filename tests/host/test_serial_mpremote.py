"""The unmodified mpremote, as a subprocess, on the virtual board's serial line."""

import hashlib
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import serial

from host.serialdesk import READY, Desk, MakeDesk
from mulligan_host import server
from mulligan_host.micropython import MicroPython

LOOP = b"""
import time
print("main begins")
while True:
    time.sleep(0.01)
"""


@pytest.fixture
def make_desk(tmp_path: Path, micropython32: MicroPython) -> Iterator[MakeDesk]:
    with ExitStack() as stack:

        def make(files: dict[str, bytes] | None = None, **options: Any) -> Desk:
            desk = stack.enter_context(Desk(tmp_path, micropython32, files or {}, **options))
            desk.board.power_on()
            return desk

        yield make


@pytest.mark.parametrize("rfc2217", [True, False], ids=["rfc2217", "pty"])
def test_files_come_and_go_and_survive(make_desk: MakeDesk, rfc2217: bool) -> None:
    desk = make_desk(rfc2217=rfc2217)
    desk.board.wait(READY)
    content = bytes(range(256)) * 20
    path = desk.write("data.bin", content)
    desk.mpremote("fs", "cp", path, ":there.bin")
    assert desk.files()["/there.bin"] == content
    desk.mpremote("fs", "mkdir", "lib")
    desk.mpremote("fs", "cp", desk.write("module.py", b"X = 42\n"), ":lib/module.py")
    assert "42" in desk.mpremote("exec", "import module; print(module.X)")
    desk.board.power_off()
    desk.board.power_on()
    desk.board.wait(READY)
    desk.mpremote("fs", "cp", ":there.bin", desk.work / "back.bin")
    assert (desk.work / "back.bin").read_bytes() == content


def test_code_runs_interrupts_and_resets(make_desk: MakeDesk) -> None:
    """One session after the other on a board whose main.py never ends."""
    desk = make_desk({"boot.py": b"", "main.py": LOOP})
    desk.board.wait("main begins")
    assert "[0, 1, 2]" in desk.mpremote("run", desk.write("some.py", b"print(list(range(3)))\n"))
    said = desk.mpremote("exec", "1 / 0", code=1)
    assert re.search(r'Traceback .*File "<stdin>", line 1, in <module>.*ZeroDivisionError', said, re.DOTALL)
    assert "10000" in desk.mpremote("exec", "x = '" + "y" * 10000 + "'; print(len(x))")  # longer than any buffer on the way
    assert "45" in desk.mpremote("eval", "sum(range(10))")
    desk.mpremote("soft-reset")
    before = len(desk.board.resets)
    desk.mpremote("reset")
    desk.board.wait("hard reset")
    desk.board.wait("main begins")
    assert len(desk.board.resets) > before


def test_state_lasts_from_one_command_to_the_next(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.board.wait(READY)
    said = desk.mpremote("exec", "x = 6", "exec", "print(x * 7)", "soft-reset", "exec", "print('x' in globals())")
    assert re.search(r"42\s+False", said)


def test_what_else_users_ask_of_it(make_desk: MakeDesk) -> None:
    desk = make_desk({"old.txt": b"old"})
    desk.board.wait(READY)
    tree = desk.work / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "b.bin").write_bytes(bytes(range(256)))
    desk.mpremote("fs", "cp", "-r", tree, ":", "+", "fs", "touch", ":new.txt", "+", "fs", "rm", ":old.txt")
    assert set(desk.files()) == {"/tree/sub/b.bin", "/new.txt"}
    assert hashlib.sha256(bytes(range(256))).hexdigest() in desk.mpremote("fs", "sha256sum", ":tree/sub/b.bin")
    assert "b.bin" in desk.mpremote("fs", "ls", ":tree/sub", "+", "fs", "tree")
    assert "No such file or directory" in desk.mpremote("fs", "cat", ":old.txt", code=1)
    desk.mpremote("fs", "cp", "-r", ":tree", desk.work / "back")
    assert (desk.work / "back" / "sub" / "b.bin").read_bytes() == bytes(range(256))
    desk.mpremote("fs", "rm", "-r", ":tree")
    assert re.search(r" +327680 .* /$", desk.mpremote("df"), re.MULTILINE)
    assert f"({datetime.now(UTC).year}, " in desk.mpremote("rtc", "--set", "rtc")
    desk.mpremote("run", "--no-follow", desk.write("slow.py", b"import time; time.sleep(0.2); print('late')\n"))
    desk.board.wait("late")
    desk.mpremote("resume", "exec", "x = 1", "resume", "exec", "assert x")


def test_mip_installs_from_a_local_index(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.board.wait(READY)
    index = desk.work / "index"
    index.mkdir()
    (index / "greet.py").write_text("def hello():\n    return 'hello from mip'\n")
    (index / "package.json").write_text(json.dumps({"version": "1.0", "urls": [["greet.py", "greet.py"]]}))
    with server.serve(index, tls=False) as web:
        desk.mpremote("mip", "install", f"{web.url}/package.json")
    assert "/lib/greet.py" in desk.files()
    assert "hello from mip" in desk.mpremote("exec", "import greet; print(greet.hello())")


def test_a_directory_of_the_host_is_mounted(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.board.wait(READY)
    mounted = desk.work / "mounted"
    mounted.mkdir()
    (mounted / "far.py").write_text("print('from', __name__)\n")
    assert "from far" in desk.mpremote("mount", mounted, "exec", "import far")


class Terminal:
    """A serial port that is typed at."""

    def __init__(self, port: str) -> None:
        self.port = serial.serial_for_url(port, timeout=10)

    def said(self, until: bytes) -> bytes:
        """Return what comes, up to ``until``."""
        got: bytes = self.port.read_until(until)
        assert got.endswith(until), got
        return got

    def ask(self, typed: bytes, until: bytes) -> bytes:
        self.port.write(typed)
        return self.said(until)


@pytest.fixture
def terminal(make_desk: MakeDesk) -> Iterator[Terminal]:
    desk = make_desk()
    desk.board.wait(READY)
    made = Terminal(desk.port)
    made.ask(b"'sync'\r", b"\r\n'sync'\r\n>>> ")
    yield made
    made.port.close()


def test_the_friendly_repl(terminal: Terminal) -> None:
    assert terminal.ask(b"6*7\r", b">>> ").endswith(b"42\r\n>>> ")
    assert terminal.ask(b"for i in range(2):\r", b"... ")
    assert terminal.ask(b"  print(i)\r", b"... ")
    assert terminal.ask(b"\r", b">>> ").endswith(b"0\r\n1\r\n>>> ")
    error = b'Traceback (most recent call last):\r\n  File "<stdin>", line 1, in <module>\r\nNameError: '
    assert error in terminal.ask(b"nothing\r", b">>> ")
    assert terminal.ask(b"12\x083\r", b">>> ").endswith(b"13\r\n>>> ")
    assert terminal.ask(b"\x05", b"=== ")
    assert terminal.ask(b"def f():\r  return 5\rprint(f())\r\x04", b">>> ").endswith(b"5\r\n>>> ")
    assert b"MPY: soft reboot\r\n" in terminal.ask(b"\x04", b"information.\r\n>>> ")


def test_ctrl_c_ends_what_runs_and_nothing_else(terminal: Terminal) -> None:
    terminal.port.write(b"while True: pass\r\r")
    time.sleep(0.3)
    assert b"KeyboardInterrupt" in terminal.ask(b"\x03", b">>> ")
    terminal.port.write(b"import time; time.sleep(1000)\r")
    time.sleep(0.3)
    assert b"KeyboardInterrupt" in terminal.ask(b"\x03\x03", b">>> ")
    assert terminal.ask(b"6*7\r", b"42\r\n>>> ")


def test_ctrl_c_in_the_middle_of_flash_operations_breaks_no_filesystem(terminal: Terminal) -> None:
    code = b"n = 0\rwhile True:\r  open('f%d' % (n % 5), 'w').write('x' * 5000); n += 1\r\x04"
    for _ in range(10):
        terminal.ask(b"\x05", b"=== ")
        terminal.ask(code, b"\r\n=== \r\n")
        time.sleep(0.12)
        assert b"KeyboardInterrupt" in terminal.ask(b"\x03", b">>> ")
    code = b"import os; print(all(len(open(n).read()) in (0, 5000) for n in os.listdir() if n[0] == 'f'))\r"
    assert b"True" in terminal.ask(code, b">>> ")


def _programs() -> set[int]:
    """The processes of virtual boards: those of other fixtures live on in the process of the tests."""
    children = [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
    return {int(pid) for pid in children if b"\0-m\0start\0" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def test_ctrl_c_waits_for_a_program_that_gets_no_processor(make_desk: MakeDesk) -> None:
    """It may be in the middle of littlefs."""
    others = _programs()
    desk = make_desk({"boot.py": b"", "main.py": LOOP})
    desk.board.wait("main begins")
    (pid,) = _programs() - others
    os.kill(pid, signal.SIGSTOP)
    desk.line.from_host(b"\x03")
    time.sleep(1)
    assert "State:\tT" in Path(f"/proc/{pid}/status").read_text()
    os.kill(pid, signal.SIGCONT)
    desk.board.wait("KeyboardInterrupt")


def test_ctrl_c_in_a_request_leaves_nothing_of_its_reply_unread(terminal: Terminal) -> None:
    """What a program asks for next would be answered with the rest."""
    terminal.ask(b"import machine\r", b">>> ")
    for _ in range(10):
        terminal.port.write(b"while True: machine.unique_id()\r\r")
        time.sleep(0.1)
        assert b"KeyboardInterrupt" in terminal.ask(b"\x03", b">>> ")
        assert b"1 6" in terminal.ask(b"print(machine.reset_cause(), len(machine.unique_id()))\r", b">>> ")


FULL = """
import machine
rtc = machine.RTC()
rtc.memory(bytes(2000))
hoard = []
for size in (1000, 100, 10):
    try:
        while True:
            hoard.append(bytes(size))
    except MemoryError:
        pass
try:
    rtc.memory()
except MemoryError:
    hoard = None
    print("full", len(machine.unique_id()), len(rtc.memory()))
"""


def test_no_memory_for_a_reply_leaves_nothing_of_it_unread(make_desk: MakeDesk) -> None:
    desk = make_desk()
    desk.board.wait(READY)
    assert "full 6 2000" in desk.mpremote("exec", FULL)


COLLECTS = """
import gc
from esp32 import Partition
vfs = Partition.find(1, label="vfs")[0]
buf = bytearray(32)
def collected(what):
    gc.collect()
    garbage = [[0] * 100 for _ in range(20)]
    gc.threshold(1)  # the next allocation collects
    before = gc.mem_alloc()
    garbage = None
    if what == 1:
        vfs.readblocks(0, buf, 0)
    elif what == 2:
        vfs.writeblocks(60, buf, 0)
    elif what == 3:
        vfs.ioctl(6, 60)
    elif what == 4:
        list(buf)
    after = gc.mem_alloc()
    gc.threshold(-1)
    return after < before
print([collected(what) for what in range(5)])
"""


def test_no_garbage_is_collected_in_the_middle_of_littlefs(make_desk: MakeDesk) -> None:
    """There it would close files that nobody has closed, and the filesystem and MicroPython with it would be lost."""
    desk = make_desk()
    desk.board.wait(READY)
    assert "[False, False, False, False, True]" in desk.mpremote("exec", COLLECTS)


def test_the_raw_repl_to_the_byte(terminal: Terminal) -> None:
    """As shared/runtime/pyexec.c has it: the banner, OK, output, errors, raw paste and its windows."""
    assert terminal.ask(b"\x01", b">") == b"\r\nraw REPL; CTRL-B to exit\r\n>"
    assert terminal.ask(b"print(1)\x04", b"\x04>") == b"OK1\n\x04\x04>"
    error = b'Traceback (most recent call last):\n  File "<stdin>", line 1, in <module>\nValueError: x\n'
    assert terminal.ask(b"raise ValueError('x')\x04", b"\x04>") == b"OK\x04" + error + b"\x04>"
    assert terminal.ask(b"garbage\x03print(2)\x04", b"\x04>") == b"OK2\n\x04\x04>"
    assert terminal.ask(b"\x05A\x01", b"R\x01") == b"R\x01"
    window = terminal.port.read(3)
    assert window[2] == 1
    size = int.from_bytes(window[:2], "little")
    code = b"#" * (2 * size - 1) + b"\n"
    terminal.port.write(code)
    assert terminal.port.read(2) == b"\x01\x01"  # as many windows as were filled
    assert terminal.ask(b"print(3)\x04", b"\x04>") == b"\x043\n\x04\x04>"
    terminal.ask(b"\x05A\x01", b"R\x01")
    terminal.port.read(3)
    assert b"KeyboardInterrupt" in terminal.ask(b"print(4)\x03", b"\x04>")
    assert terminal.ask(b"\x05B\x01", b">") == b"R\x00>"
    assert terminal.ask(b"\x04", b">").startswith(b"OK\r\nMPY: soft reboot\r\n")
    assert terminal.ask(b"\x02", b">>> ").startswith(b"\r\n")


def test_ctrl_c_during_the_boot_is_not_lost(make_desk: MakeDesk) -> None:
    """It comes when there is a program for it."""
    desk = make_desk({"boot.py": b"", "main.py": LOOP})
    desk.board.wait("ota_0 runs")
    desk.line.from_host(b"\x03")
    desk.board.wait("KeyboardInterrupt")
    desk.board.wait(READY)
    assert len(desk.board.resets) == 1
