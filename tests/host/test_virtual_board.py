"""The virtual board with real MicroPython on it: resets, watchdog, power cuts, esp32.Partition, the virtual clock."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mulligan.core import otadata, partitions
from mulligan.core.errors import FlashError
from mulligan_host.micropython import MicroPython
from mulligan_host.resources import resource
from mulligan_host.virtual import clock, firmware
from mulligan_host.virtual.board import HEAP, NAMES_HEAP, BoardError, VirtualBoard
from mulligan_host.virtual.firmware import Firmware
from mulligan_host.virtual.flash import SIZE_4MB
from mulligan_host.virtual.image import build_flash

CSV = resource("partitions/virtual-4mb.csv")
DEFINITIONS = """
import machine, os, sys
from esp32 import Partition
from machine import virtual
journal = Partition.find(0x40, 0)[0]
def code(function, *args):
    try:
        return function(*args)
    except OSError as e:
        return e.args
"""
Make = Callable[..., VirtualBoard]


@pytest.fixture
def make(tmp_path: Path, micropython32: MicroPython) -> Iterator[Make]:
    """Make a board whose main.py is DEFINITIONS and ``main``; ``new`` is what lies in a file for ota_1."""
    boards: list[VirtualBoard] = []
    empty = tmp_path / "package"
    empty.mkdir()

    def board(main: str = "", files: dict[str, bytes] | None = None, new: bytes = b"", **options: object) -> VirtualBoard:
        path = tmp_path / f"flash{len(boards)}"
        first = options.pop("first", Firmware("1.0.0", micropython32.mpy))
        assert isinstance(first, Firmware)
        content = {"main.py": (DEFINITIONS + main).encode(), **(files or {})}
        regions = {"ota_1": new} if new else {}
        build_flash(path, SIZE_4MB, CSV, firmware.build(first), content, regions)
        boards.append(VirtualBoard(path, [micropython32], lambda mp: empty, **options))  # type: ignore[arg-type]
        return boards[-1]

    yield board
    for made in boards:
        made.power_off()
        made.flash.close()


def second(mp: MicroPython, **fields: object) -> bytes:
    return firmware.build(Firmware("2.0.0", mp.mpy, **fields))  # type: ignore[arg-type]


def states(board: VirtualBoard) -> tuple[int, int]:
    data = board.partition("otadata")
    return otadata.decode(data).state, otadata.decode(data[otadata.SECTOR :]).state


def causes(board: VirtualBoard) -> list[int]:
    return [cause for cause, _ in board.resets]


# esp32.Partition


def test_partition_as_on_the_chip(make: Make) -> None:
    board = make(
        """
print("running", Partition(Partition.RUNNING).info())
print("boot", Partition(Partition.BOOT).info()[4], Partition(Partition.RUNNING).get_next_update().info()[4])
print("next", Partition("vfs").get_next_update().info()[4], Partition("ota_1").get_next_update().info()[4])
print("apps", [p.info()[4] for p in Partition.find()])
print("models", [p.info()[2:5] for p in Partition.find(0x40, 0x10)], len(Partition.find(0x40)))
print("data", Partition.find(Partition.TYPE_DATA, label="vfs")[0].info(), Partition.find(1, label="journal"))
print("labels", code(Partition, "journal"), code(Partition, "none"))
print("sizes", journal.ioctl(4, 0), journal.ioctl(5, 0), journal.ioctl(99, 0))
"""
    )
    board.power_on()
    assert board.wait("^running") == "running (0, 16, 65536, 1572864, 'ota_0', False)"
    assert board.wait("^boot") == "boot ota_0 ota_1"
    assert board.wait("^next") == "next ota_0 ota_0"
    assert board.wait("^apps") == "apps ['ota_0', 'ota_1']"
    assert board.wait("^models") == "models [(3260416, 131072, 'model_0'), (3391488, 131072, 'model_1')] 9"
    assert board.wait("^data") == "data (1, 129, 3866624, 327680, 'vfs', False) []"
    assert board.wait("^labels") == "labels (2,) (2,)"  # a label alone finds no custom type
    assert board.wait("^sizes") == "sizes 4 4096 None"


def test_blocks_follow_nor_rules_and_bounds(make: Make) -> None:
    board = make(
        """
b = bytearray(4)
journal.writeblocks(1, b"abcd", 8)
journal.readblocks(1, b, 7)
print("read", bytes(b))
journal.writeblocks(1, b"a", 8)
journal.writeblocks(1, bytes(4096))
journal.ioctl(6, 2)
journal.readblocks(1, b, 4094)
print("across", bytes(b))
print("end", code(journal.readblocks, 3, b, 4093), code(journal.readblocks, 5, b), code(journal.ioctl, 6, 4))
print("part", code(journal.writeblocks, 0, b"abc"), code(journal.writeblocks, -1, b"abc", 0))
print("big", code(journal.writeblocks, 0, bytes(5 * 4096)))
journal.readblocks(0, bytearray(0))
big = bytearray(16384)
journal.readblocks(0, big)
print("sum", sum(big) & 0xFFFF, big[4096:4100])
"""
    )
    board.power_on()
    assert board.wait("^read") == "read b'\\xffabc'"
    assert board.wait("^across") == "across b'\\x00\\x00\\xff\\xff'"
    size, arg = "(-260, 'ESP_ERR_INVALID_SIZE')", "(-258, 'ESP_ERR_INVALID_ARG')"
    assert board.wait("^end") == f"end {size} {arg} {size}"
    assert board.wait("^part") == f"part {size} {arg}"
    assert board.wait("^big") == f"big {size}"
    assert board.wait("^sum") == f"sum {255 * 4096 * 3 & 0xFFFF} bytearray(b'\\x00\\x00\\x00\\x00')"
    assert not board.violations


def test_a_broken_nor_rule_is_an_error_to_program_and_test(make: Make) -> None:
    board = make("journal.writeblocks(0, b'\\0', 5)\nprint('got', code(journal.writeblocks, 0, b'\\1', 5))")
    board.power_on()
    assert board.wait("^got") == "got (5,)"
    assert len(board.violations) == 1
    with pytest.raises(FlashError, match="0x310005 sets a bit"):
        board.__exit__(None, None, None)
    assert not board.powered


def test_reading_and_writing_allocate_nothing(make: Make) -> None:
    board = make(
        """
import micropython
b = bytearray(64)
watchdog = machine.WDT(timeout=60000)
micropython.heap_lock()
journal.writeblocks(0, b, 64)
journal.readblocks(0, b, 32)
journal.ioctl(6, 0)
watchdog.feed()
virtual.work(1)
t = virtual.ticks_us()
micropython.heap_unlock()
print("done", b[31], b[32])
"""
    )
    board.power_on()
    assert board.wait("^done") == "done 255 0"


# otadata, as FACTS has it


def test_trial_aborted_and_confirmed(make: Make, micropython32: MicroPython) -> None:
    main = """
n = len(machine.RTC().memory())
machine.RTC().memory(bytes(n + 1))
where = Partition(Partition.RUNNING).info()[4]
print("boot", n, where, Partition(Partition.BOOT).info()[4], machine.reset_cause())
if n == 0 or n == 3:
    print("set", code(Partition("ota_1").set_boot))
    machine.reset()
if n == 1:
    machine.soft_reset()
if n == 2:
    machine.reset()
if n == 4:
    print("confirm", code(Partition.mark_app_valid_cancel_rollback))
    machine.reset()
"""
    board = make(main, new=second(micropython32))
    board.power_on()
    assert board.wait("^boot") == "boot 0 ota_0 ota_0 1"
    assert board.wait("^boot") == "boot 1 ota_1 ota_1 2"
    assert board.wait("^boot") == "boot 2 ota_1 ota_1 5"  # a soft reset leaves it PENDING
    assert board.wait("^boot") == "boot 3 ota_0 ota_0 2"
    assert board.wait("^set") == "set None"  # again, after it was ABORTED
    assert board.wait("^boot") == "boot 4 ota_1 ota_1 2"
    assert board.wait("^confirm") == "confirm None"
    assert board.wait("^boot") == "boot 5 ota_1 ota_1 2"
    board.wait(">>>")
    board.power_off()
    assert states(board) == (otadata.VALID, otadata.VALID)
    board.power_on()
    assert board.wait("^boot") == "boot 0 ota_1 ota_1 1"
    assert causes(board)[:7] == [1, 2, 5, 2, 2, 2, 1]  # that boot resets at once


def test_set_boot_refuses_a_bad_image_and_writes_nothing(make: Make, micropython32: MicroPython) -> None:
    bad = bytearray(second(micropython32))
    bad[300] ^= 1
    board = make("print('set', code(Partition('ota_1').set_boot), code(Partition('vfs').set_boot))", new=bytes(bad))
    board.power_on()
    refused = "(-5379, 'ESP_ERR_OTA_VALIDATE_FAILED')"
    assert board.wait("^set") == f"set {refused} {refused}"
    assert states(board) == (otadata.VALID, otadata.UNDEFINED)


@pytest.mark.parametrize("damage", [{"load": False}, {"behaviour": "hang"}, {"behaviour": "crash"}])
def test_versions_that_never_reach_boot_py(make: Make, micropython32: MicroPython, damage: dict[str, object]) -> None:
    main = """
print("at", Partition(Partition.RUNNING).info()[4], Partition(Partition.BOOT).info()[4])
if machine.reset_cause() == 1:
    Partition("ota_1").set_boot()
    machine.reset()
"""
    board = make(main, new=second(micropython32, **damage))
    board.power_on()
    assert board.wait("^at") == "at ota_0 ota_0"
    # Where it did not load, the bootloader fell back within one boot and Partition(BOOT) still names the bad slot.
    assert board.wait("^at") == ("at ota_0 ota_1" if "load" in damage else "at ota_0 ota_0")
    assert causes(board) == {"hang": [1, 2, 3], "crash": [1, 2, 2]}.get(str(damage.get("behaviour")), [1, 2])
    assert states(board)[1] == (otadata.PENDING if "load" in damage else otadata.ABORTED)
    if damage.get("behaviour") == "hang":
        assert board.resets[2][1] - board.resets[1][1] > clock.BOOTLOADER_WDT_US


def test_firmware_without_rollback(make: Make, micropython32: MicroPython) -> None:
    main = "print('codes', code(Partition.mark_app_valid_cancel_rollback), code(Partition('ota_1').set_boot))"
    first = Firmware("1.0.0", micropython32.mpy, rollback=False)
    board = make(main, first=first, new=second(micropython32))
    board.power_on()
    assert board.wait("^codes") == "codes (-261, 'ESP_ERR_NOT_FOUND') None"
    assert states(board) == (otadata.VALID, otadata.UNDEFINED)
    assert otadata.decode(board.partition("otadata")[otadata.SECTOR :]) == otadata.entry(2, otadata.UNDEFINED)


def test_a_wake_from_deep_sleep_skips_otadata(make: Make, micropython32: MicroPython) -> None:
    main = """
print("at", Partition(Partition.RUNNING).info()[4], machine.reset_cause(), machine.RTC().memory())
if machine.reset_cause() == 1:
    machine.RTC().memory(b"kept")
    machine.WDT(timeout=1000)
    Partition("ota_1").set_boot()
    machine.deepsleep(60000)
if machine.reset_cause() == 4:
    machine.reset()
"""
    board = make(main, new=second(micropython32))
    board.power_on()
    assert board.wait("^at") == "at ota_0 1 b''"
    assert board.wait("^at") == "at ota_0 4 b'kept'"
    assert board.wait("^at") == "at ota_1 2 b'kept'"
    assert causes(board) == [1, 4, 2]
    assert board.resets[1][1] > 60_000_000


def test_sleep_for_ever(make: Make) -> None:
    board = make("machine.deepsleep()")
    board.power_on()
    assert board.wait_off() == "asleep for ever"
    assert not board.powered


# Resets, watchdog, power


def test_a_program_counts_its_boots_in_flash(make: Make) -> None:
    main = """
b = bytearray(1)
journal.readblocks(0, b)
n = 8 - bin(b[0]).count("1")
journal.writeblocks(0, bytes([b[0] & (b[0] - 1)]), 0)
print("boots", n + 1)
if n < 7:
    (machine.reset, machine.soft_reset, sys.exit)[n % 3]()
"""
    with make(main) as board:
        board.power_on()
        for n in range(1, 9):
            assert board.wait("^boots") == f"boots {n}"
        assert board.partition("journal")[0] == 0
        assert causes(board) == [1, 2, 5, 5, 2, 5, 5, 2]


def test_watchdog_on_an_endless_loop(make: Make) -> None:
    main = """
print("cause", machine.reset_cause(), machine.RTC().memory())
if machine.reset_cause() == 1:
    machine.RTC().memory(b"kept")
    machine.WDT(timeout=60000)
    watchdog = machine.WDT(timeout=7000)
    virtual.idle(6000)
    watchdog.feed()
    print("started", virtual.ticks_us())
    while True:
        pass
"""
    board = make(main, wall_watchdog=0.05)
    board.power_on()
    started = int(board.wait("^started").split()[1])
    assert board.wait("^cause 3") == "cause 3 b'kept'"
    assert board.resets[1] == (3, started + 7_000_000)


def test_watchdog_on_the_virtual_clock(make: Make) -> None:
    board = make("if machine.reset_cause() == 1:\n machine.WDT(timeout=2000)\n virtual.idle(1999)\n virtual.work(10**9)")
    board.power_on()
    board.wait(">>>")
    assert causes(board) == [1, 3]
    board.power_off()
    board.power_on()  # power-on stops the watchdog, so the same happens once more and no more
    board.wait(">>>")
    assert causes(board) == [1, 3, 1, 3]


def test_watchdog_survives_a_soft_reset_and_ends_at_the_repl(make: Make) -> None:
    board = make("if machine.reset_cause() == 1:\n machine.WDT(timeout=5000)\n machine.soft_reset()")
    board.power_on()
    board.wait("board: watchdog")
    board.wait(">>>")
    assert causes(board) == [1, 5, 3]


def test_power_off_forgets_rtc_memory_and_keeps_the_flash(make: Make) -> None:
    main = """
print("had", machine.RTC().memory(), "note" in os.listdir())
machine.RTC().memory(b"x" * 2048)
with open("note", "w") as f:
    f.write("x" * 9000)
print("wrote", len(machine.RTC().memory()))
"""
    board = make(main)
    board.power_on()
    assert board.wait("^had") == "had b'' False"
    assert board.wait("^wrote") == "wrote 2048"
    board.power_off()
    assert not board.powered
    board.power_off()
    board.power_on()
    with pytest.raises(BoardError, match="on already"):
        board.power_on()
    assert board.wait("^had") == "had b'' True"


@pytest.mark.parametrize(("operation", "keep", "done"), [(1, 0.5, 0), (2, 0.0, 0), (2, 0.25, 1024), (2, 1.0, 4096)])
def test_a_power_cut_in_a_write_leaves_the_torn_prefix(make: Make, operation: int, keep: float, done: int) -> None:
    main = """
if "cut" in os.listdir():
    print("alive again")
else:
    os.mkdir("cut")
    print("ready")
    while machine.RTC().memory() != b"go":
        if board_says_go():
            break
    journal.writeblocks(0, b"\\x55" * 4096)
    print("not reached")
"""
    # The program waits for the test on a bit of the flash, which the test clears once it has planted the cut.
    go = "\ndef board_says_go():\n b = bytearray(1)\n journal.readblocks(3, b)\n return b[0] == 0\n"
    board = make(go + main)
    board.power_on()
    board.wait("ready")
    board.cut_power(after=operation, keep=keep)
    board.flash.poke(0x313000, b"\0")
    why = board.wait_off()
    assert why.startswith("power cut after")
    assert not board.powered
    assert "not reached" not in board.lines
    content = board.partition("journal")[:4096]
    assert content == b"\x55" * done + b"\xff" * (4096 - done)
    board.power_on()
    board.wait("alive again")
    assert causes(board) == [1, 1]


def test_a_power_cut_in_the_bootloader(make: Make) -> None:
    board = make("print('up')")
    board.cut_power(after=2, keep=0.5)
    board.power_on()
    assert "power cut after 16 of 32" in board.wait_off()
    assert "up" not in board.lines
    board.power_on()
    board.wait("^up$")
    # As on the chip: an entry with a sequence number and a wrong crc is not blank, so the bootloader never mends it.
    assert states(board)[0] == otadata.UNDEFINED


def test_power_off_stops_an_endless_loop(make: Make) -> None:
    board = make("print('looping')\nwhile True: pass")
    board.power_on()
    board.wait("looping")
    board.power_off()
    assert not board.powered
    with pytest.raises(BoardError, match="power off"):
        board.wait("anything", timeout=60)


# What start.py does


def test_boot_py_that_raises_leaves_the_board_at_the_repl(make: Make) -> None:
    board = make("print('main runs')", {"boot.py": b"print('boot runs')\n1/0\n"})
    board.power_on()
    board.wait("boot runs")
    board.wait("ZeroDivisionError")
    board.wait(">>>")
    board.power_off()
    assert "main runs" not in board.lines
    assert 'File "boot.py", line 2' in "\n".join(board.lines)
    assert causes(board) == [1]


def test_boot_py_and_main_py_share_their_names_and_find_modules(make: Make) -> None:
    files = {
        "boot.py": b"from_boot = 1\n",
        "lib/helper.py": b"name = 'lib'\n",
        "other.py": b"name = 'root'\n",
    }
    board = make("import helper, other\nprint('names', from_boot, helper.name, other.name, __name__, sys.argv)", files)
    board.power_on()
    assert board.wait("^names") == "names 1 lib root __main__ []"


def test_a_blank_filesystem_is_made_and_a_corrupt_one_is_not_touched(make: Make) -> None:
    board = make("print('main runs')")
    vfs = 0x3B0000
    board.flash.poke(vfs, b"\xff" * (SIZE_4MB - vfs))
    board.power_on()
    board.wait(">>>")
    board.power_off()
    assert b"littlefs" in board.partition("vfs")[:64]
    assert "main runs" not in board.lines
    board.flash.poke(vfs, b"\x5a" * (SIZE_4MB - vfs))
    board.power_on()
    board.wait("appears to be corrupted")
    board.power_off()
    assert board.partition("vfs") == b"\x5a" * (SIZE_4MB - vfs)


def test_memory_error_is_an_exception_and_not_the_end(make: Make) -> None:
    board = make("try:\n bytearray(200_000)\nexcept MemoryError:\n print('caught')")
    board.power_on()
    board.wait("caught")


# Limits and failures of the board itself


def test_a_process_that_dies_is_a_crash_and_a_loop_of_them_ends(make: Make) -> None:
    board = make("os.system('kill -9 $PPID')", max_resets=3)
    board.power_on()
    assert "3 resets since power-on" in board.wait_off()
    assert causes(board) == [1, 2, 2, 2]
    assert sum("exit code -9" in line for line in board.lines) == 4


def test_no_bootable_app_is_a_reset_loop(make: Make) -> None:
    board = make(max_resets=2)
    board.flash.poke(0x10000, b"\0")
    board.power_on()
    assert "reset loop" in board.wait_off()
    assert sum("no app loads" in line for line in board.lines) == 3


def test_no_partition_table(make: Make) -> None:
    board = make()
    board.flash.poke(partitions.TABLE_OFFSET, b"\0")
    board.power_on()
    assert board.wait_off().startswith("failed: partition table")


def test_firmware_of_another_port(make: Make) -> None:
    board = make(first=Firmware("1.0.0", 6))
    board.power_on()
    assert "is of _mpy 6; there is only" in board.wait_off()


def test_wait_says_what_the_console_said(make: Make) -> None:
    seen: list[str] = []
    board = make("print('one')\nprint('two', end='')", on_line=seen.append)
    with pytest.raises(BoardError, match="never powered on"):
        board.wait("one")
    board.power_on()
    assert board.wait(lambda line: line.startswith("t")) == "two>>> (nothing runs any more: the board is at the REPL)"
    with pytest.raises(BoardError, match=r"(?s)within 0.01 s.*\| one"):
        board.wait("one", timeout=0.01)
    with pytest.raises(BoardError, match="still runs"):
        board.wait_off(timeout=0.01)
    board.power_off()
    assert seen == board.lines


# The virtual clock


def test_the_same_actions_take_the_same_time(make: Make) -> None:
    main = """
start = virtual.ticks_us()
b = bytearray(4096)
journal.readblocks(0, b)
read = virtual.ticks_us()
journal.writeblocks(0, b)
wrote = virtual.ticks_us()
virtual.work(1_000_000)
worked = virtual.ticks_us()
virtual.idle(5)
print("took", read - start, wrote - read, worked - wrote, virtual.ticks_us() - worked)
with open("x", "w") as f:
    f.write("y" * 20000)
if machine.reset_cause() == 1:
    machine.reset()
print("end", virtual.ticks_us())
"""
    runs = []
    for _ in range(2):
        board = make(main)
        board.power_on()
        assert board.wait("^took") == "took 429 54600 87500 5000"  # 4096 bytes in 54.6 ms: 75 KB/s
        end = board.wait("^end")
        board.wait(">>>")
        board.power_off()
        runs.append((end, board.resets, board.clock_us, board.flash.counters))
    assert runs[0] == runs[1]


def test_ticks_begin_at_each_boot_and_wrap(make: Make) -> None:
    board = make("virtual.idle(1_200_000)\nprint('ticks', virtual.ticks_us())\nif machine.reset_cause() == 1: machine.reset()")
    board.power_on()
    first, again = (int(board.wait("^ticks").split()[1]) for _ in range(2))
    assert 0 <= again < first < 1 << 30
    assert board.clock_us > 1 << 31


def test_a_program_has_no_more_heap_than_promised(make: Make, micropython32: MicroPython) -> None:
    """The runtime's share comes on top of HEAP, and must not be more than the runtime takes."""
    board = make(files={"boot.py": b"import gc\ngc.collect()\nprint('free', gc.mem_free())\n"})
    board.power_on()
    free = int(board.wait("^free ").split()[1])
    free -= NAMES_HEAP[micropython32.bits]  # that pool is not there yet
    assert 0.9 * HEAP[micropython32.bits] < free <= HEAP[micropython32.bits]
