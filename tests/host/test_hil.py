"""The pytest plugin, as a stranger has it: pytest as a subprocess in a directory of its own."""

import os
import subprocess
import sys
import threading
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from host.models import Command
from mulligan_host.errors import HostError
from mulligan_host.hil import rig
from mulligan_host.hil.rig import VIRTUAL, Spec
from mulligan_host.virtual import qemu

TWO = """
[[board]]
name = "a"
port = "/dev/ttyUSB0"
[[board]]
name = "b"
port = "rfc2217://127.0.0.1:2217"
kind = "esp32s3"
power_on = "true"
power_off = "true"
"""


def run_pytest(directory: Path, *arguments: str, code: int = 0) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=directory, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_example_passes_as_written(tmp_path: Path, command: Command) -> None:
    """In an empty directory, warnings as errors; and keeps logs and JUnit XML."""
    command("hil", "init", tmp_path)
    run_pytest(tmp_path, "-W", "error", "--junitxml", "out.xml")
    properties = [p.attrib for p in ElementTree.parse(tmp_path / "out.xml").iter("property")]
    logs = [Path(p["value"]) for p in properties if p["name"] == "serial_log"]
    assert len(logs) == 2
    assert "exec print(6 * 7)" in logs[0].read_text()
    assert {log.parent for log in logs} == {tmp_path / ".hil"}
    assert "is there already" in command("hil", "init", tmp_path, code=1)


def test_what_a_failed_test_shows(tmp_path: Path) -> None:
    """The serial log; and what one board can't do is skipped, with the reason."""
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "def test_fails(board):\n"
        "    board.reset()\n"
        "    board.wait('no partition table')\n"
        "    assert False\n"
        "@pytest.mark.boards(2)\n"
        "def test_two(boards):\n"
        "    for board in boards:\n"
        "        board.reset()\n"
        "        board.wait('no partition table')\n"
        "    assert boards[0].port != boards[1].port\n"
        "def test_power(power, board):\n"
        "    power.off()\n"
        "    power.on()\n"
        "    board.reset()\n"
        "    board.wait('no partition table')\n"
        "def test_raises(board):\n"
        "    board.flash()\n"
        "    board.exec('1 / 0')\n"
    )
    said = run_pytest(tmp_path, "--board", "virtual", "--board", "virtual", code=1)
    assert "2 failed, 2 passed" in said
    assert "host:   TransportExecError, after b'Traceback" in said
    assert "serial log of virtual" in said
    assert said.count("no partition table") >= 2


def test_a_board_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(board): pass\n")
    said = run_pytest(tmp_path, "--board", "desk", code=4)
    assert "--board desk: not virtual, qemu, a port such as /dev/ttyUSB0" in said
    said = run_pytest(tmp_path, "--board", "/dev/ttyNONE", code=1)
    assert "/dev/ttyNONE is not there: plug the board in" in said


def test_a_rig_file(tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    path.write_text(TWO)
    a, b = rig.read(path)
    assert a == Spec("a", "/dev/ttyUSB0")
    assert (b.kind, b.switched, a.switched) == ("esp32s3", True, False)
    assert rig.choose([], path) == [a, b]
    assert rig.choose(["b"], path) == [b]
    assert rig.choose(["b", VIRTUAL], path)[1].port == VIRTUAL
    assert rig.choose(["/dev/ttyACM1"], path)[0].port == "/dev/ttyACM1"
    assert [spec.port for spec in rig.choose([], tmp_path / "none.toml")] == [VIRTUAL]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[board", "rig.toml: "),
        ("", "one table [[board]] for each board"),
        ("boards = 1\n[[board]]\nname='a'\nport='b'", "and nothing else"),
        ("[[board]]\nname = 'a'", "board 1: it needs a port"),
        ("[[board]]\nname = 'a'\nport = 'virtual'\nbaud = 9600", "there is no baud; a board has name, port, kind"),
        ("[[board]]\nname = 'a'\nport = 5", "port is a string"),
        ("[[board]]\nname = 'a'\nport = 'x'\nwatchdog = 'soon'", "watchdog is a number"),
        ("[[board]]\nname = 'a'\nport = 'x'\n[[board]]\nname = 'a'\nport = 'y'", "two boards have the same name"),
    ],
)
def test_a_wrong_rig_file(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "rig.toml"
    path.write_text(text)
    with pytest.raises(HostError) as raised:
        rig.read(path)
    assert why in str(raised.value)


def test_a_port_is_one_runs_at_a_time(tmp_path: Path) -> None:
    """Even of the same process: a lock is an open file's."""
    specs = [Spec("a", str(tmp_path / "port-a")), Spec("b", str(tmp_path / "port-b"))]
    with rig.locked(specs, 1, 5) as first, rig.locked(specs, 1, 5) as second:
        assert [spec.name for spec in first + second] == ["a", "b"]
        with pytest.raises(HostError, match=r"a, b: in use by another run for 0 s"), rig.locked(specs, 1, 0):
            pass
    with pytest.raises(HostError, match="needs 3 boards, the run has 2"), rig.locked(specs, 3, 0):
        pass
    with rig.locked(specs, 2, 0) as both:
        waiting: list[str] = []

        def wait() -> None:
            with rig.locked(specs[1:], 1, 10) as later:
                waiting.extend(spec.name for spec in later)

        thread = threading.Thread(target=wait)
        thread.start()
        assert [spec.name for spec in both] == ["a", "b"]
        assert not waiting
    thread.join()
    assert waiting == ["b"]


@pytest.mark.skipif(qemu.missing() is None, reason="there is a QEMU for it")
def test_qemu_that_is_not_there_is_named(tmp_path: Path, command: Command) -> None:
    (tmp_path / "fw.bin").write_bytes(b"\xe9")
    assert "qemu-system-xtensa" in command("board", "qemu", "--firmware", tmp_path / "fw.bin", code=1)
