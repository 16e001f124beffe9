"""The bootloader on a flash: FACTS about otadata as they show there, and every power cut in it."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mulligan.core import otadata, partitions
from mulligan.core.errors import FormatError
from mulligan_host.partitions import find, read_csv
from mulligan_host.resources import resource
from mulligan_host.virtual import bootloader, firmware
from mulligan_host.virtual.firmware import Firmware
from mulligan_host.virtual.flash import SIZE_4MB, NorFlash, PowerCut, create

ROWS = read_csv(resource("partitions/virtual-4mb.csv"), SIZE_4MB)
DATA = find(ROWS, "otadata")
OLD = firmware.build(Firmware("1.0.0", 1))
NEW = firmware.build(Firmware("2.0.0", 1))


@pytest.fixture
def flash(tmp_path: Path) -> Iterator[NorFlash]:
    create(tmp_path / "flash", b"\xff" * SIZE_4MB)
    flash = NorFlash(tmp_path / "flash")
    flash.poke(partitions.TABLE_OFFSET, partitions.encode(ROWS))
    flash.poke(find(ROWS, "ota_0").offset, OLD)
    flash.poke(find(ROWS, "ota_1").offset, NEW)
    yield flash
    flash.close()


def booted(flash: NorFlash) -> str | None:
    boot = bootloader.boot(flash)
    return boot.firmware.version if boot else None


def states(flash: NorFlash) -> tuple[int, int]:
    first, second = bootloader.read_otadata(flash, DATA)
    return first.state, second.state


def set_boot(flash: NorFlash, slot: int, rollback: bool = True) -> None:
    bootloader.write_entry(flash, DATA, *otadata.set_boot(bootloader.read_otadata(flash, DATA), 2, slot, rollback))


def confirm(flash: NorFlash) -> None:
    change = otadata.confirm(bootloader.read_otadata(flash, DATA))
    if change is not None:
        bootloader.write_entry(flash, DATA, *change)


def test_blank_otadata(flash: NorFlash) -> None:
    assert booted(flash) == "1.0.0"
    assert bootloader.read_otadata(flash, DATA)[0] == otadata.entry(1, otadata.VALID)
    assert booted(flash) == "1.0.0"
    assert flash.counters.erases == 1  # the second boot wrote nothing


def test_trial_aborted_then_again_and_confirmed(flash: NorFlash) -> None:
    booted(flash)
    set_boot(flash, 1)
    assert states(flash) == (otadata.VALID, otadata.NEW)
    assert booted(flash) == "2.0.0"
    assert states(flash) == (otadata.VALID, otadata.PENDING)
    assert booted(flash) == "1.0.0"
    assert states(flash) == (otadata.VALID, otadata.ABORTED)
    set_boot(flash, 1)
    assert booted(flash) == "2.0.0"
    confirm(flash)
    assert states(flash) == (otadata.VALID, otadata.VALID)
    assert booted(flash) == booted(flash) == "2.0.0"


def test_slot_corrupted_after_set_boot(flash: NorFlash) -> None:
    booted(flash)
    set_boot(flash, 1)
    flash.poke(find(ROWS, "ota_1").offset + 300, b"\x55\x55")
    assert booted(flash) == "1.0.0"
    assert states(flash) == (otadata.VALID, otadata.PENDING)
    assert otadata.selected(bootloader.read_otadata(flash, DATA), 2) == 1
    assert booted(flash) == "1.0.0"
    assert states(flash) == (otadata.VALID, otadata.ABORTED)


def test_firmware_that_is_valid_and_will_not_load(flash: NorFlash) -> None:
    booted(flash)
    flash.poke(find(ROWS, "ota_1").offset, firmware.build(Firmware("2.0.0", 1, load=False)))
    assert bootloader.load(flash, find(ROWS, "ota_1")) is not None
    set_boot(flash, 1)
    assert booted(flash) == "1.0.0"
    flash.poke(find(ROWS, "ota_0").offset, bytes(64))
    assert booted(flash) is None


def test_bad_first_slot_walks_up(flash: NorFlash) -> None:
    flash.poke(find(ROWS, "ota_0").offset, bytes(64))
    assert booted(flash) == "2.0.0"
    assert bootloader.read_otadata(flash, DATA)[0] == otadata.entry(2, otadata.VALID)


def test_without_rollback_a_bad_version_stays(flash: NorFlash) -> None:
    booted(flash)
    set_boot(flash, 1, rollback=False)
    assert booted(flash) == booted(flash) == "2.0.0"
    assert states(flash) == (otadata.VALID, otadata.UNDEFINED)


def test_factory_and_no_otadata(flash: NorFlash) -> None:
    factory = partitions.Row(0, 0, 0x10000, 0x180000, "factory", 0)
    flash.poke(partitions.TABLE_OFFSET, partitions.encode([factory]))
    boot = bootloader.boot(flash)
    assert boot is not None
    assert boot.app == factory
    flash.poke(0x10000, b"\0")
    assert bootloader.boot(flash) is None
    flash.poke(partitions.TABLE_OFFSET, b"\0")
    with pytest.raises(FormatError, match="partition table"):
        bootloader.boot(flash)


def test_every_power_cut_leaves_a_bootable_slot(flash: NorFlash) -> None:
    """Cut set_boot, the boots around it and confirm at each operation, torn at each 4-byte word (FACTS: never a brick)."""

    def first_boot() -> None:
        booted(flash)

    def to_new() -> None:
        set_boot(flash, 1)

    def accept() -> None:
        confirm(flash)

    story: list[Callable[[], None]] = [first_boot, to_new, first_boot, accept, first_boot]
    blank = flash.peek(DATA.offset, DATA.size)
    cuts = 0
    for keep in [i / 8 for i in range(9)]:
        operation = 1
        while True:
            flash.poke(DATA.offset, blank)
            flash.cut_at(operation, keep)
            with suppress(PowerCut):
                for step in story:
                    step()
            if flash.cut_pending:
                break
            cuts += 1
            operation += 1
            for _ in range(3):
                assert booted(flash) in ("1.0.0", "2.0.0")
            set_boot(flash, 1)  # and the device can still be updated
            assert booted(flash) == "2.0.0"
            confirm(flash)
            assert booted(flash) == "2.0.0"
    assert cuts == 9 * 8  # erase and write of: the first entry, set_boot, PENDING, confirm
