"""NOR rules, torn operations, and a flash file that is not what it should be."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mulligan.core.errors import FlashError
from mulligan_host.virtual.flash import SECTOR, NorFlash, PowerCut, create

SIZE = 4 * SECTOR


@pytest.fixture
def flash(tmp_path: Path) -> Iterator[NorFlash]:
    create(tmp_path / "flash", b"\xff" * SIZE)
    flash = NorFlash(tmp_path / "flash", SIZE)
    yield flash
    flash.close()


def test_programming_clears_bits_and_erasing_sets_them(flash: NorFlash) -> None:
    flash.program(10, b"\xf0\x0f")
    assert flash.read(9, 4) == b"\xff\xf0\x0f\xff"
    flash.program(10, b"\x70\x0f")
    flash.program(10, b"\x00")
    assert flash.read(10, 2) == b"\x00\x0f"
    flash.program(SECTOR - 1, b"ab")
    flash.erase(0)
    assert flash.read(0, SECTOR) == b"\xff" * SECTOR
    assert flash.read(SECTOR, 1) == b"b"


def test_setting_a_bit_is_refused_with_its_address_and_nothing_is_programmed(flash: NorFlash) -> None:
    flash.program(100, b"\xff\xff\xf0")
    with pytest.raises(FlashError, match=r"at 0x66 sets a bit"):
        flash.program(100, b"\x00\x00\x01")
    assert flash.read(100, 3) == b"\xff\xff\xf0"
    assert flash.counters.programs == 1


@pytest.mark.parametrize(("address", "size"), [(-1, 1), (SIZE, 1), (SIZE - 1, 2), (0, SIZE + 1)])
def test_bounds(flash: NorFlash, address: int, size: int) -> None:
    with pytest.raises(FlashError, match="outside"):
        flash.read(address, size)
    with pytest.raises(FlashError, match="outside"):
        flash.program(address, b"\0" * size)
    assert flash.read(SIZE, 0) == b""


@pytest.mark.parametrize(("address", "size"), [(1, SECTOR), (0, 1), (SECTOR, SECTOR + 1)])
def test_only_whole_sectors_are_erased(flash: NorFlash, address: int, size: int) -> None:
    with pytest.raises(FlashError, match="whole sectors"):
        flash.erase(address, size)


def test_counters(flash: NorFlash) -> None:
    flash.read(0, 3)
    flash.program(0, b"12345")
    flash.erase(SECTOR, 2 * SECTOR)
    flash.erase(SECTOR)
    flash.peek(0, 100)
    flash.poke(0, b"\xff")
    c = flash.counters
    assert (c.reads, c.bytes_read, c.programs, c.bytes_programmed, c.erases) == (1, 3, 1, 5, 3)
    assert c.sector_erases == {1: 2, 2: 1}


@pytest.mark.parametrize(("keep", "done"), [(0.0, 0), (0.25, 25), (0.999, 99), (1.0, 100)])
def test_torn_program(flash: NorFlash, keep: float, done: int) -> None:
    flash.cut_at(2, keep)
    flash.program(0, b"first")
    with pytest.raises(PowerCut):
        flash.program(200, b"\x00" * 100)
    assert flash.read(199, 102) == b"\xff" + b"\x00" * done + b"\xff" * (101 - done)
    flash.program(200, b"\x00" * 100)  # the cut comes once


@pytest.mark.parametrize("keep", [0.0, 0.5, 1.0])
def test_torn_erase_of_several_sectors(flash: NorFlash, keep: float) -> None:
    flash.program(0, b"\x00" * SIZE)
    flash.cut_at(2, keep)
    with pytest.raises(PowerCut):
        flash.erase(0, 3 * SECTOR)
    done = SECTOR + int(SECTOR * keep)
    assert flash.read(0, SIZE) == b"\xff" * done + b"\x00" * (SIZE - done)
    assert not flash.cut_pending


def test_a_refused_program_is_no_operation_for_the_cut(flash: NorFlash) -> None:
    flash.program(0, b"\x00")
    flash.cut_at(1)
    with pytest.raises(FlashError):
        flash.program(0, b"\xff")
    assert flash.cut_pending


@pytest.mark.parametrize(("operation", "keep"), [(0, 0.5), (-1, 0.5), (1, -0.1), (1, 1.1)])
def test_cuts_that_make_no_sense(flash: NorFlash, operation: int, keep: float) -> None:
    with pytest.raises(ValueError, match="count from 1"):
        flash.cut_at(operation, keep)


def test_content_is_in_the_file_at_once(flash: NorFlash) -> None:
    flash.program(7, b"here")
    assert flash.path.read_bytes()[6:12] == b"\xffhere\xff"


@pytest.mark.parametrize("content", [b"", b"\xff" * (SIZE - 1), b"\xff" * (SIZE + 1)])
def test_a_file_of_the_wrong_size_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "flash"
    path.write_bytes(content)
    with pytest.raises(FlashError) as e:
        NorFlash(path, SIZE)
    assert str(path) in str(e.value)
    assert str(len(content)) in str(e.value)
    assert "\n" not in str(e.value)
    assert path.read_bytes() == content


def test_a_missing_file_and_one_in_use(tmp_path: Path, flash: NorFlash) -> None:
    with pytest.raises(FlashError, match="No such file"):
        NorFlash(tmp_path / "none", SIZE)
    with pytest.raises(FlashError, match="in use"):
        NorFlash(flash.path, SIZE)


def test_create_leaves_nothing_half_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        create(tmp_path / "no" / "flash", b"x")
    (tmp_path / "flash").mkdir()
    with pytest.raises(IsADirectoryError):
        create(tmp_path / "flash", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["flash"]
