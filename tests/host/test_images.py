"""Files for flashing: recognised by content, taken apart, put together under a layout of ours; esptool is the second opinion."""

import json
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from host import firmwares
from host.models import Command
from host.refusals import TO_DO
from mulligan.core.errors import FormatError, MulliganError
from mulligan.core.partitions import decode, encode
from mulligan_host import boards, images, tables
from mulligan_host.partitions import read_csv
from mulligan_host.resources import resource
from mulligan_host.virtual import firmware as virtual

CHIPS = {"esp32": "esp32", "esp32s2": "esp32s2", "esp32s3": "esp32s3", "esp32c3": "esp32c3", "esp32c6": "esp32c6"}
NAME = "fw.bin"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def info(path: Path) -> str:
    done = subprocess.run([sys.executable, "-m", "esptool", "image-info", str(path)], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("chip", CHIPS)
def test_a_stock_image_is_taken_apart(chip: str) -> None:
    found = images.firmware(firmwares.combined(chip), NAME)
    assert (found.app.chip, found.app.project, found.app.version) == (chip, "micropython", "v1.27.0")
    assert found.app.data == firmwares.app(chip)
    assert found.bootloader.data == firmwares.bootloader(chip)
    assert found.bootloader.project is None
    assert found.rows == read_csv(firmwares.STOCK_TABLE)


@pytest.mark.parametrize("chip", ["esp32", "esp32s3"])
def test_a_dump_of_the_whole_flash_is_an_image_too(chip: str) -> None:
    combined = firmwares.combined(chip)
    start = {"esp32": 0x1000, "esp32s3": 0}[chip]
    dump = b"\xff" * start + combined + b"\xff" * ((4 << 20) - start - len(combined))
    assert images.firmware(dump, NAME) == images.firmware(combined, NAME)


@pytest.mark.parametrize(("board", "size"), [("esp32", "4MB"), ("esp32s3", "8MB"), ("esp32c6", "4MB")])
def test_a_whole_image(here: Path, command: Command, board: str, size: str) -> None:
    """For the factory: esptool finds checksum, SHA-256 and flash size right, and our table in the place of the stock one."""
    Path(NAME).write_bytes(firmwares.combined(board))
    said = json.loads(command("image", "build", NAME, "--board", board, "-o", "out.bin", "--json"))
    out = Path("out.bin").read_bytes()
    assert said["size"] == len(out)
    start = boards.load(board).port.bootloader
    assert out[:start] == b"\xff" * start
    Path("boot.bin").write_bytes(out[start:0x8000])
    Path("app.bin").write_bytes(out[0x10000:])
    for name in ("boot.bin", "app.bin"):
        assert info(Path(name)).count("(valid)") == 2
    assert f"Flash size: {size}" in info(Path("boot.bin"))
    layout = {"4MB": "4mb", "8MB": "8mb"}[size]
    rows = read_csv(resource(f"partitions/{layout}.csv"))
    assert decode(out[0x8000:]) == rows
    assert out[0x10000:] == firmwares.app(board)
    otadata = next(row for row in rows if row.label == "otadata")
    assert out[otadata.offset : otadata.offset + otadata.size] == b"\xff" * otadata.size


@pytest.mark.parametrize("size", [1 << 20, 2 << 20, 8 << 20, 16 << 20, 128 << 20])
def test_the_flash_size_in_a_header(size: int) -> None:
    found = images.firmware(firmwares.combined(), NAME).bootloader
    assert found.flash_size == 4 << 20
    changed = images.with_flash_size(found, size)
    assert images.parse(changed.data, NAME) == changed
    assert changed.flash_size == size
    assert images.with_flash_size(changed, 4 << 20).data == found.data
    assert next(at for at, (x, y) in enumerate(zip(found.data, changed.data, strict=True)) if x != y) == 3
    with pytest.raises(FormatError, match="not made"):
        images.with_flash_size(found, 3 << 20)


def test_the_stock_flash_size_is_kept_byte_for_byte(here: Path, command: Command) -> None:
    Path(NAME).write_bytes(firmwares.combined())
    command("image", "build", NAME, "--board", "esp32", "-o", "out.bin")
    assert Path("out.bin").read_bytes()[0x1000 : 0x1000 + len(firmwares.bootloader())] == firmwares.bootloader()


def test_the_virtual_board_s_firmware(here: Path, command: Command) -> None:
    """It is an image like the others, but only for that board."""
    app = virtual.build(virtual.Firmware("1.25.0", 2822))
    Path(NAME).write_bytes(firmwares.merged("esp32", firmwares.bootloader(), encode(read_csv(firmwares.STOCK_TABLE)), app))
    command("image", "build", NAME, "--board", "virtual", "-o", "out.bin")
    assert virtual.inspect(Path("out.bin").read_bytes()[0x10000:]).version == "1.25.0"
    said = command("image", "build", NAME, "--board", "esp32", "-o", "out.bin", code=1)
    assert "fw.bin is mulligan-virtual 1.25.0, not micropython" in said


# What is refused


def damaged(at: int, data: bytes) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def without_digest(chip: str) -> bytes:
    raw = bytearray(firmwares.combined(chip))
    raw[23] = 0
    return bytes(raw)


S3 = firmwares.combined("esp32s3")
WRONG = {
    "empty": (b"", "empty"),
    "erased": (b"\xff" * 5000, "nothing but erased flash"),
    "text": (b"import machine\n", "not a firmware image"),
    "an ELF file": (b"\x7fELF" + bytes(100), "an ELF file"),
    "UF2": (b"UF2\n" + bytes(508), "a UF2 file"),
    "ZIP": (b"PK\x03\x04" + bytes(100), "a ZIP archive"),
    "gzip": (zlib.compress(b"x", wbits=31), "gzip"),
    "DFU": (b"DfuSe" + bytes(100), "a DFU file"),
    "Intel hex": (b":10000000" + b"0" * 100, "Intel hex"),
    ".mpy": (b"M\x06\x1f\x1f", "a .mpy"),
    "a web page": (b"<!DOCTYPE html>", "a web page"),
    "a slot image": (b"MSLT" + bytes(100), "a slot image of Mulligan's"),
    "a patch": (b"MPAT" + bytes(100), "a patch of Mulligan's"),
    "a model": (b"\x1c\0\0\0TFL3" + bytes(100), "a .tflite model"),
    "a filesystem": (bytes(8) + b"littlefs" + bytes(100), "a filesystem image"),
    "a table": (encode(read_csv(firmwares.STOCK_TABLE)), "a partition table"),
    "an app": (firmwares.app(), "an app image of micropython v1.27.0 for esp32, without a bootloader"),
    "a bootloader": (firmwares.bootloader(), "a bootloader for esp32 alone"),
    "an ESP8266's": (struct.pack("<BBBBIII", 0xE9, 1, 0, 0, 0x4010F480, 0x4010F000, 0x568) + bytes(2000), "ESP8266"),
    "another chip's": (S3, "fw.bin is for esp32s3, the board esp32 has esp32"),
    "another project's": (firmwares.combined(project="esphome"), "fw.bin is esphome v1.27.0, not micropython"),
    "too large": (firmwares.combined(size=0x1C0000), "has an app of 1835008 bytes, ota_0 of this layout 1769472"),
    "cut in the bootloader": (firmwares.combined()[:10000], "truncated or damaged"),
    "cut in the table": (firmwares.combined()[:0x7020], "no MD5 row"),
    "cut before the app": (firmwares.combined()[:0xE000], "truncated: it ends before its app"),
    "cut in the app": (firmwares.combined()[:-100000], "its app: truncated or damaged"),
    "cut in the digest": (firmwares.combined()[:-1], "its app: damaged, its SHA-256 is wrong"),
    "a flipped bit in the bootloader": (damaged(5000, firmwares.combined()), "its bootloader: damaged, its checksum is wrong"),
    "a flipped bit in the table": (damaged(0x7010, firmwares.combined()), "its MD5 does not match"),
    "a flipped bit in the app": (damaged(0x90000, firmwares.combined()), "its app: damaged, its checksum is wrong"),
    "without a SHA-256": (without_digest("esp32"), "its bootloader: an image without a SHA-256"),
    "shifted": (b"\xff" * 0x1000 + S3[:0x7000] + S3[0x8000:], "where a esp32s3 does not look"),
    "of two chips": (
        firmwares.merged("esp32", firmwares.bootloader(), encode(read_csv(firmwares.STOCK_TABLE)), firmwares.app("esp32s2")),
        "its bootloader is for esp32, its app for esp32s2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_file(here: Path, command: Command, what: str) -> None:
    """Named by its content, in one line, and nothing is written."""
    content, said = WRONG[what]
    Path(NAME).write_bytes(content)
    for arguments in (
        ("board", "flash", NAME, "--board", "esp32", "--dry-run"),
        ("image", "build", NAME, "--board", "esp32", "-o", "x"),
    ):
        line = command(*arguments, code=1)
        assert said in line
        assert TO_DO.search(line), line
        assert line.count("\n") == 1
        assert NAME in line
    assert not Path("x").exists()


def test_garbage_is_refused_in_one_line() -> None:
    """Cut anywhere, a byte changed anywhere, put together of two: it is taken for what it is, or refused with its name."""
    rnd = random.Random(7)
    whole = [firmwares.combined(chip, 100_000) for chip in ("esp32", "esp32s3")]
    refused: list[str] = []
    for turn in range(240):
        data, other = rnd.sample(whole, 2)
        at = rnd.choice([rnd.randrange(len(data)), rnd.randrange(64), 0x7000 + rnd.randrange(256), 0xF000 + rnd.randrange(256)])
        made = (data[:at], data[at:], damaged(at, data), data[:at] + other[at:], rnd.randbytes(at))[turn % 5]
        for read in (images.firmware, images.app_of, tables.parse):
            try:
                read(made, NAME)
            except MulliganError as e:
                refused.append(str(e))
    assert len(refused) > 240
    assert all(line.startswith(NAME) and "\n" not in line for line in refused)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--board", "esp8266"], "no board is called esp8266; there are esp32"),
        (["--board", "esp32", "--layout", "5mb"], "5mb"),
        (["--board", "esp32", "--layout", "8mb"], "vfs ends at 0x800000, the flash at 0x400000"),
        (["--board", "esp32", "--layout", str(firmwares.STOCK_TABLE)], "no ota_0, ota_1 and otadata"),
        (["--board", "esp32", "--layout", "desk-4mb"], "give --layout 4mb or a smaller build"),
        (["--board", "esp32", "--layout", "4mb-ota"], "give --layout 4mb or a smaller build, such as MicroPython's OTA variant"),
    ],
)
def test_a_wrong_pairing(here: Path, command: Command, arguments: list[str], said: str) -> None:
    Path(NAME).write_bytes(firmwares.combined())
    assert said in command("board", "flash", NAME, *arguments, "--dry-run", code=1)


def test_a_firmware_gets_the_layout_that_it_fits(here: Path, command: Command) -> None:
    """The OTA build the one with room for the light install, the generic build the other, which says what it can't do."""
    flash = ("board", "flash", NAME, "--board", "esp32", "--dry-run")
    for size, layout in ((firmwares.OTA, "desk-4mb"), (firmwares.GENERIC, "4mb")):
        Path(NAME).write_bytes(firmwares.combined(size=size))
        assert json.loads(command(*flash, "--json"))["layout"] == layout
        assert ("does not fit desk-4mb, the layout for board install" in command(*flash)) == (layout == "4mb")


def test_the_ota_build_fits_both_layouts(here: Path, command: Command) -> None:
    Path(NAME).write_bytes(firmwares.combined(size=firmwares.OTA, table=firmwares.STOCK_OTA_TABLE))
    for layout, left in (("4mb", 0x1B0000 - firmwares.OTA), ("4mb-ota", 0x180000 - firmwares.OTA)):
        said = command("board", "flash", NAME, "--board", "esp32", "--layout", layout, "--dry-run")
        assert f"app      micropython v1.27.0: {left} bytes of ota_0 are left" in said
        assert "write    app               0x10000 1447440 bytes" in said
