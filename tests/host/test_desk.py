"""A board on the desk: flashed, installed, looked at, over the virtual board's serial line as over a cable."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from host import firmwares
from host.models import Command
from host.serialdesk import QUIET, READY, TICKING, Desk, MakeDesk, app
from mulligan.core.partitions import decode, encode
from mulligan_host import boards, keys
from mulligan_host.build import build_package, package
from mulligan_host.desk.link import OURS, connect
from mulligan_host.micropython import MicroPython
from mulligan_host.partitions import find, read_csv
from mulligan_host.resources import resource
from mulligan_host.virtual import firmware
from mulligan_host.virtual.protocol import Cause

pytestmark = QUIET
DESK = resource("partitions/desk-4mb.csv")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    keys.create(tmp_path / "k.pem")
    return tmp_path / "k.pub.pem"


@pytest.fixture
def image(tmp_path: Path, micropython32: MicroPython) -> Path:
    """The virtual board's firmware, as micropython.org would offer it."""
    path = tmp_path / "fw.bin"
    table = encode(read_csv(firmwares.STOCK_TABLE))
    path.write_bytes(firmwares.merged("esp32", firmwares.bootloader(), table, app(micropython32)))
    return path


@pytest.fixture
def by_hand(tmp_path: Path, command: Command) -> Callable[..., str]:
    """Run a command for a board in download mode on a pseudo-terminal, which has no DTR and RTS; then let it boot."""
    board = tmp_path / "virtual.toml"
    board.write_text('like = "virtual"\n[port]\nreset = "none"\n')

    def run(desk: Desk, *arguments: object, code: int = 0) -> str:
        desk.reset(download=True)
        said = command(*arguments, "--board", board, "--port", desk.port, code=code)
        desk.reset(download=False)
        return said

    return run


# Flash


def test_from_nothing(make_desk: MakeDesk, image: Path, key: Path, command: Command) -> None:
    """An erased chip; then MicroPython under our table; then Mulligan, which boots; then nothing is left to do."""
    desk = make_desk(rfc2217=True)
    said = json.loads(command("board", "flash", image, "--board", "virtual", "--port", desk.port, "--json"))
    assert said["written"]
    desk.board.wait(READY)
    rows = read_csv(resource("partitions/virtual-4mb.csv"))
    assert decode(desk.peek(0x8000, 0xC00)) == rows
    assert desk.peek(0x1000, len(firmwares.bootloader())) == firmwares.bootloader()
    said = json.loads(command("board", "status", "--port", desk.port, "--json"))
    assert (said["running"], said["package"], said["board"], said["planes"]) == ("ota_0", "frozen", None, [])
    assert said["journal"]["root"] is False
    install = ("board", "install", "--board", "virtual", "--port", desk.port, "--key", key, "--json")
    said = json.loads(command(*install))
    assert (said["copied"], said["provisioned"]) == (["/mulligan.json", "/main.py", "/boot.py"], True)
    said = json.loads(command("board", "status", "--port", desk.port, "--json"))
    assert (said["board"], said["journal"]["root"], said["reset"]) == ("virtual", True, "soft reset")
    said = json.loads(command(*install))
    assert (said["copied"], said["provisioned"], said["unchanged"]) == ([], False, ["/boot.py", "/mulligan.json"])
    text = command("board", "status", "--port", desk.port)
    assert "trusts a root" in text
    assert desk.board.violations == []


def test_a_layout_is_not_changed_under_data(make_desk: MakeDesk, image: Path, by_hand: Callable[..., str]) -> None:
    desk = make_desk({"data.txt": b"precious"})
    desk.board.wait(READY)
    other = ("board", "flash", image, "--layout", "4mb-ota")
    before = desk.peek(0, 4 << 20)
    said = by_hand(desk, *other, code=1)
    assert "the board holds data that would be lost: vfs; copy what you need, then go on with --erase-moved" in said
    assert "moved    vfs" in by_hand(desk, *other, "--dry-run")
    assert desk.peek(0x310000, 0xF0000) == before[0x310000:]
    assert desk.peek(0x8000, 0x1000) == before[0x8000:0x9000]
    assert "press RESET" in by_hand(desk, "board", "flash", image)
    desk.board.wait(READY)
    assert desk.files()["/data.txt"] == b"precious"  # the same layout: what is there stays
    by_hand(desk, *other, "--erase-moved")
    desk.board.wait(READY)
    assert list(desk.files()) == ["/boot.py"]
    assert decode(desk.peek(0x8000, 0xC00)) == read_csv(resource("partitions/4mb-ota.csv"))


def test_an_unknown_table_is_not_written_over(make_desk: MakeDesk, image: Path, by_hand: Callable[..., str]) -> None:
    desk = make_desk()
    desk.board.flash.program(0x8000, b"another system's")
    assert "go on with --erase-moved" in by_hand(desk, "board", "flash", image, code=1)
    assert desk.peek(0x8000, 16) == b"another system's"
    by_hand(desk, "board", "flash", image, "--erase-moved")
    desk.board.wait(READY)


def test_the_wrong_board(make_desk: MakeDesk, tmp_path: Path, command: Command) -> None:
    """By chip, and by the size of its flash; nothing is written."""
    desk = make_desk()
    path = tmp_path / "stock.bin"
    wrong = {
        "s3": ("esp32s3", "flash = 8388608", "has esp32, the board s3 esp32s3: choose the right --board"),
        "large": ("esp32", 'flash = 8388608\npartitions = "8mb.csv"', "the board has a flash of 4 MB, large one of 8 MB"),
    }
    for name, (like, more, said) in wrong.items():
        board = tmp_path / f"{name}.toml"
        board.write_text(f'like = "{like}"\n{more}\n[port]\nreset = "none"\n')
        path.write_bytes(firmwares.combined(like))
        desk.reset(download=True)
        assert said in command("board", "flash", path, "--board", board, "--port", desk.port, code=1)
    assert desk.peek(0, 4 << 20) == b"\xff" * (4 << 20)


def test_a_table_from_the_board(make_desk: MakeDesk, tmp_path: Path, by_hand: Callable[..., str], command: Command) -> None:
    desk = make_desk({})
    desk.reset(download=True)
    board = tmp_path / "virtual.toml"
    said = json.loads(command("partitions", "show", desk.port, "--board", board, "--json"))
    assert said["source"] == "board"
    assert [row["label"] for row in said["partitions"]] == [row.label for row in read_csv(resource("partitions/virtual-4mb.csv"))]
    assert "say what board it is with --board" in command("partitions", "show", desk.port, code=2)


# Install


def test_the_users_files_are_left_alone(make_desk: MakeDesk, key: Path, command: Command) -> None:
    desk = make_desk({"boot.py": b"x = 1\n", "main.py": TICKING, "lib/theirs.py": b"y = 2\n"})
    desk.board.wait("main begins")
    install = ("board", "install", "--board", "virtual", "--port", desk.port, "--key", key)
    said = json.loads(command(*install, "--json"))
    assert set(said["left"]) == {"/boot.py", "/main.py"}
    found = desk.files()
    assert (found["/user_boot.py"], found["/main.py"], found["/lib/theirs.py"]) == (b"x = 1\n", TICKING, b"y = 2\n")
    assert found["/boot.py"] == resource("firmware/boot.py").read_bytes()
    desk.board.wait("main begins")
    text = command(*install)
    assert "left     /main.py: yours is left alone" in text
    assert "keys and journal were there, and are left alone" in text
    assert desk.files() == found


def test_the_light_install(make_desk: MakeDesk, micropython32: MicroPython, key: Path, command: Command) -> None:
    """Every file of the package, and Mulligan boots from it."""
    desk = make_desk({}, bare=True, layout=DESK, wall_watchdog=20.0)  # modules come from the flash file sector by sector
    desk.board.wait(READY)
    install = ("board", "install", "--board", "virtual", "--port", desk.port, "--key", key, "--json")
    said = json.loads(command(*install))
    assert said["package"] == "/lib/mulligan"
    wanted = {f"/lib/mulligan/{name}": content for name, content in package(micropython32.arch).items()}
    found = desk.files()
    assert {path: found[path] for path in wanted} == wanted
    assert len(said["copied"]) == len(wanted) + 3
    assert not any(path.endswith(".new") for path in found)


def test_app_slots_that_carry_the_package(
    make_desk: MakeDesk, micropython32: MicroPython, key: Path, tmp_path: Path, command: Command
) -> None:
    """The app is written once, with the journal; vfs gets no package, and loses the one that it had."""
    layout = resource("partitions/4mb-carried.csv")
    desk = make_desk({"lib/mulligan/__init__.py": b"raise ValueError"}, bare=True, layout=layout, wall_watchdog=20.0)
    desk.board.wait(READY)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text("import mulligan\nprint('app:', mulligan.__path__)\nwhile True: mulligan.step()\n")
    plain, carrying = tmp_path / "plain.img", tmp_path / "app.img"
    pack = ("app", "pack", tmp_path / "app", "--version", "1.0.0", "--arch", micropython32.arch)
    command(*pack, "-o", plain)
    command(*pack, "--package", "-o", carrying)
    install = ("board", "install", "--board", "virtual", "--port", desk.port, "--key", key, "--json")
    assert "does not carry the package" in command(*install, "--carried", plain, code=1)
    said = json.loads(command(*install, "--carried", carrying))
    assert (said["package"], said["provisioned"]) == ("in the app slots", True)
    assert (said["copied"], said["removed"]) == (["/mulligan.json", "/boot.py"], ["/lib/mulligan/__init__.py"])
    desk.board.wait("app: /package/mulligan")
    status = json.loads(command("board", "status", "--port", desk.port, "--json"))
    assert (status["package"], status["planes"][0]["plane"], status["planes"][0]["version"]) == ("app slots", "app", "1.0.0")
    said = json.loads(command(*install, "--carried", carrying))
    assert (said["copied"], said["provisioned"]) == ([], False)


def test_a_full_filesystem(make_desk: MakeDesk, key: Path, command: Command) -> None:
    """Found out before anything is written."""
    desk = make_desk({"data.bin": b"x" * 300_000}, bare=True)
    desk.board.wait(READY)
    before = desk.files()
    said = command("board", "install", "--board", "virtual", "--port", desk.port, "--key", key, code=1)
    assert "KiB free, this needs" in said
    assert "desk-4mb" in said
    assert desk.files() == before


def test_a_board_without_our_partitions(make_desk: MakeDesk, key: Path, command: Command, tmp_path: Path) -> None:
    stock = tmp_path / "stock.csv"
    stock.write_text((firmwares.STOCK_OTA_TABLE).read_text() + "vfs,data,fat,,640K\n")
    desk = make_desk({}, layout=stock)
    desk.board.wait(READY)
    said = command("board", "install", "--board", "virtual", "--port", desk.port, "--key", key, code=1)
    assert "its partition table has no journal: give it a layout of Mulligan's with mulligan board flash" in said


def test_mip_installs_the_package(make_desk: MakeDesk, micropython32: MicroPython, tmp_path: Path, command: Command) -> None:
    """By the unmodified mpremote, from what `mulligan package mip` wrote."""
    desk = make_desk({}, bare=True, layout=DESK)
    desk.board.wait(READY)
    command("package", "mip", "-o", tmp_path / "mip", "--arch", micropython32.arch)
    desk.mpremote("mip", "install", "--no-mpy", tmp_path / "mip" / str(micropython32.arch) / "package.json")
    assert "0.1.0" in desk.mpremote("exec", "import mulligan, mulligan.core.p256; print(mulligan.__version__)")
    built = build_package(micropython32)
    assert desk.files()["/lib/mulligan/agent.mpy"] == (built / "mulligan" / "agent.mpy").read_bytes()


@pytest.mark.parametrize("arch", ["xtensawin", "rv32imc"])
def test_a_mip_package_for_each_architecture(tmp_path: Path, command: Command, arch: str) -> None:
    command("package", "mip", "-o", tmp_path, "--arch", arch)
    index = json.loads((tmp_path / arch / "package.json").read_text())
    listed = {source for _, source in index["urls"]}
    assert listed == {p.relative_to(tmp_path / arch).as_posix() for p in (tmp_path / arch).rglob("*.mpy")}
    assert {target for target, _ in index["urls"]} == listed
    names = {
        path.relative_to(resource("firmware")).with_suffix(".mpy").as_posix()
        for path in resource("firmware/mulligan").rglob("*.py")
    }
    assert listed <= names
    left_out = {name.removeprefix("mulligan/").removesuffix(".mpy") for name in names - listed}
    assert left_out >= {"core/p256_plain", "core/huffman", "core/rescale", "tflite/kernels/gemm"}
    for module in left_out - {"core/p256_plain", "core/rescale"}:  # they stand in for machine code, which is there
        assert f"mulligan/{module}_viper.mpy" in listed, module


def test_the_package_can_be_frozen() -> None:
    """firmware/manifest.py, read as MicroPython's build reads it, names every module."""
    frozen: list[Path] = []

    def package(name: str, files: object = None, base_path: str = ".", opt: int | None = None) -> None:
        assert files is None
        frozen.extend((resource("firmware") / base_path / name).resolve().rglob("*.py"))

    path = resource("firmware/manifest.py")
    exec(compile(path.read_text(), str(path), "exec"), {"package": package})
    assert sorted(frozen) == sorted(resource("firmware/mulligan").resolve().rglob("*.py"))


# Looking


def test_looking_at_a_board_resets_it_not(make_desk: MakeDesk, key: Path, command: Command) -> None:
    """The program starts again by a soft reset, which is no failed start; listening does not even do that."""
    desk = make_desk({"main.py": TICKING})
    desk.board.wait("main begins")
    before = list(desk.board.resets)
    command("board", "log", "--port", desk.port, "--timeout", "1")
    assert desk.board.resets == before
    json.loads(command("board", "status", "--port", desk.port, "--json"))
    desk.board.wait("main begins")
    assert [cause for cause, _ in desk.board.resets[len(before) :]] == [Cause.SOFT]


def test_a_board_at_its_prompt_stays_there(make_desk: MakeDesk, command: Command) -> None:
    desk = make_desk({})
    desk.board.wait(READY)
    before = list(desk.board.resets)
    command("board", "status", "--port", desk.port)
    assert desk.board.resets == before


def test_the_log_shows_reports(make_desk: MakeDesk, key: Path, command: Command) -> None:
    report = b"print('mulligan: polled code=7 reason=no such host: x=1')\n    print('tick')"
    desk = make_desk({"main.py": TICKING.replace(b"    time", b"    " + report + b"\n    time")})
    desk.board.wait("tick")
    said = command("board", "log", "--port", desk.port, "--json", "--until", "polled")
    assert json.loads(said.splitlines()[0]) == {"event": "polled", "facts": {"code": "7"}, "reason": "no such host: x=1"}
    assert "tick" in command("board", "log", "--port", desk.port, "--until", "tick")
    assert "no line matched 'never' within 1 s" in command(
        "board", "log", "--port", desk.port, "--until", "never", "--timeout", "1", code=1
    )
    assert "not a regular expression" in command("board", "log", "--port", desk.port, "--until", "(", code=2)


def test_a_board_whose_port_resets_it_says_so(make_desk: MakeDesk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from host.commands import mulligan

    (tmp_path / "wired.toml").write_text('like = "esp32"\n[port]\nreset = "on-open"\n')
    desk = make_desk({})
    desk.board.wait(READY)
    done = mulligan("board", "status", "--port", desk.port, "--board", str(tmp_path / "wired.toml"))
    assert "resets this kind of board" in done.stderr
    assert boards.load(str(tmp_path / "wired.toml")).port.reset == "on-open"


def test_the_watchdog_of_our_boot_py_waits(make_desk: MakeDesk) -> None:
    """However long a look takes: one that was begun in the middle of the boot, too."""
    armed = b"\nimport machine\nmachine.WDT(timeout=30000)\n"
    desk = make_desk({"boot.py": OURS.encode() + armed + TICKING})
    desk.board.wait("main begins")
    with connect(desk.port) as link:
        link.enter(soft_reset=False)
        assert link.execute("import machine; machine.virtual.idle(120000); print('here')") == "here\n"
        assert len(desk.board.resets) == 1
    desk.board.wait("main begins")
    assert resource("firmware/boot.py").read_text().startswith(OURS)


def test_rows_are_found_by_label() -> None:
    assert find(read_csv(resource("partitions/desk-4mb.csv")), "vfs").size == 784 * 1024
    assert firmware.PROJECT != "micropython"
