"""A whole flash from `mulligan image build`: written by the unmodified esptool it boots, as after board flash and install."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from host import firmwares
from host.models import Command
from host.rig import image
from host.serialdesk import QUIET, Desk, app
from mulligan.core.partitions import encode
from mulligan_host import keys
from mulligan_host.micropython import MicroPython
from mulligan_host.partitions import read_csv

pytestmark = QUIET
SERVES = "app: version=1.0.0"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def work(tmp_path: Path, micropython32: MicroPython, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a firmware, a key, a model, a config; and a virtual board whose layout has room for the package."""
    monkeypatch.chdir(tmp_path)
    keys.create(Path("k.pem"))
    table = encode(read_csv(firmwares.STOCK_TABLE))
    Path("fw.bin").write_bytes(firmwares.merged("esp32", firmwares.bootloader(), table, app(micropython32)))
    Path("digits.mslt").write_bytes(image("1.0.0"))
    Path("config.json").write_text('{"level": 7}')
    Path("empty").mkdir()
    Path("virtual.toml").write_text(f'like = "virtual"\narch = "{micropython32.arch}"\npartitions = "desk-4mb.csv"\n')
    return tmp_path


def test_with_the_package_in_vfs(work: Path, stack: ExitStack, micropython32: MicroPython, command: Command) -> None:
    """It boots and serves; an install after it copies what was damaged since, and nothing else."""
    build = ("image", "build", "fw.bin", "--board", "virtual.toml", "--key", "k.pub.pem", "--artifact", "digits.mslt")
    said = json.loads(command(*build, "-o", "out.bin", "--json"))
    assert said["size"] == Path("out.bin").stat().st_size == 4 << 20
    assert {part["what"] for part in said["parts"]} >= {"app", "bootloader", "vfs", "keys", "journal", "model_0"}
    desk = stack.enter_context(Desk(work, micropython32, None, package=lambda mp: work / "empty", wall_watchdog=20.0))
    desk.board.flash.program(0, Path("out.bin").read_bytes())
    desk.board.power_on()
    desk.board.wait(SERVES)
    before = desk.files()
    changed = ["/lib/mulligan/agent.mpy", "/lib/mulligan/core/jws.mpy"]
    harm = "import os\nos.remove({!r})\nwith open({!r}, 'wb') as f: f.write(b'M')\nwith open('/lib/mulligan/old.mpy', 'wb'): pass"
    desk.mpremote("resume", "exec", harm.format(*changed))
    install = ("board", "install", "--board", "virtual.toml", "--port", desk.port, "--key", "k.pub.pem", "--json")
    said = json.loads(command(*install))
    assert (said["copied"], said["removed"], said["provisioned"]) == (changed, ["/lib/mulligan/old.mpy"], False)
    assert len(said["unchanged"]) == len(before) - len(changed) - 1  # main.py is nobody's business any more
    assert desk.files() == before
    assert desk.board.violations == []


def test_with_mulligan_frozen_in(work: Path, stack: ExitStack, micropython32: MicroPython, command: Command) -> None:
    """And a config beside the model, and a main.py of one's own."""
    Path("main.py").write_text(
        "import mulligan\nwith mulligan.model('digits') as m: print('mine', m.version, mulligan.config())\n"
    )
    build = ("image", "build", "fw.bin", "--board", "virtual", "--frozen", "--key", "k.pub.pem", "--app", "main.py")
    command(*build, "--artifact", "digits.mslt", "--artifact", "config.json=1.2.3", "-o", "out.bin")
    desk = stack.enter_context(Desk(work, micropython32, None))
    desk.board.power_on()
    desk.reset(download=True)
    desk.esptool("write-flash", 0x0, "out.bin")
    desk.reset(download=False)
    assert "{'level': 7}" in desk.board.wait("mine 1.0.0")
    status = json.loads(command("board", "status", "--port", desk.port, "--json"))
    assert (status["package"], status["board"], status["journal"]["root"]) == ("frozen", "virtual", True)
    assert [(entry["plane"], entry["slot"], entry["version"]) for entry in status["planes"]] == [
        ("model", 0, "1.0.0"),
        ("config", 0, "1.2.3"),
    ]


def test_with_app_slots_that_carry_the_package(
    work: Path, stack: ExitStack, micropython32: MicroPython, command: Command
) -> None:
    """The first layout of the board with the room is taken, and vfs holds neither package nor main.py."""
    board = Path("carried/virtual.toml")
    board.parent.mkdir()
    board.write_text(Path("virtual.toml").read_text().replace('"desk-4mb.csv"', '["desk-4mb.csv", "4mb-carried.csv", "4mb.csv"]'))
    Path("app").mkdir()
    Path("app/main.py").write_text(
        "import mulligan\nwith mulligan.model('digits') as m: print('app:', m.version, mulligan.__path__)\n"
    )
    command("app", "pack", "app", "--version", "1.0.0", "--arch", micropython32.arch, "--package", "-o", "app.img")
    build = ("image", "build", "fw.bin", "--board", board, "--key", "k.pub.pem", "--carried", "app.img")
    assert "the package is in one place" in command(*build, "--frozen", "-o", "out.bin", code=2)
    said = json.loads(command(*build, "--artifact", "digits.mslt", "-o", "out.bin", "--json"))
    assert said["layout"] == "4mb-carried"
    desk = stack.enter_context(Desk(work, micropython32, None, package=lambda mp: work / "empty", wall_watchdog=20.0))
    desk.board.flash.program(0, Path("out.bin").read_bytes())
    desk.board.power_on()
    desk.board.wait("app: 1.0.0 /package/mulligan")
    assert set(desk.files()) == {"/boot.py", "/mulligan.json"}


def test_what_does_not_fit(work: Path, command: Command) -> None:
    build = ("image", "build", "fw.bin", "--board", "virtual", "-o", "out.bin")
    key = ("--key", "k.pub.pem")
    for option in (["--frozen"], ["--url", "https://example.org"], ["--artifact", "digits.mslt"]):
        assert "give --key (a public key from: mulligan keys new) or --root" in command(*build, *option, code=2)
    assert "take a layout with a larger vfs" in command(*build, *key, code=1)
    twice = ("--frozen", "--artifact", "digits.mslt", "--artifact", "digits.mslt")
    assert "digits 1.0.0: the layout has 1 slot pairs for model: none is left for it" in command(*build, *key, *twice, code=1)
    small = (*build[:4], "esp32", *build[5:])
    assert "fw.bin is mulligan-virtual" in command(*small, *key, code=1)
    assert not Path("out.bin").exists()
