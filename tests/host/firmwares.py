"""MicroPython firmware as far as its files go: true images, made by esptool from ELF files that hold filler in place of code."""

import contextlib
import functools
import io
import struct
from pathlib import Path

from esptool.cmds import elf2image, merge_bin
from esptool.targets import CHIP_DEFS

from mulligan.core.partitions import encode
from mulligan_host.partitions import read_csv

GENERIC, OTA = 1_698_016, 1_447_440
"""Bytes of stock app images: 1.27's generic build and 1.26's OTA build (for the ESP32)."""
STOCK_TABLE = Path(__file__).parent / "data" / "partitions" / "micropython-4m.csv"
STOCK_OTA_TABLE = STOCK_TABLE.with_name("micropython-4m-ota.csv")
_RAM = {"esp32": 0x3FFB0000, "esp32s2": 0x3FFB0000, "esp32s3": 0x3FC90000, "esp32c3": 0x3FC90000, "esp32c6": 0x40810000}
_MACHINES = {"esp32c3": 0xF3, "esp32c6": 0xF3}
_XTENSA = 0x5E
_PAGE = 0x10000
_DESCRIPTION = struct.Struct("<II8x32s32s16s16s32s32s80x")


@functools.cache
def app(chip: str = "esp32", size: int = GENERIC, project: str = "micropython", version: str = "v1.27.0") -> bytes:
    """An app image of exactly ``size`` bytes, for a multiple of 16."""
    description = _DESCRIPTION.pack(
        0xABCD5432, 0, version.encode(), project.encode(), b"12:00:00", b"Dec  9 2025", b"v5.5.1", bytes(32)
    )
    base = CHIP_DEFS[chip].DROM_MAP_START
    code = CHIP_DEFS[chip].IROM_MAP_START
    if code == base:  # one bus for both: the code on the next page
        code += _PAGE
    filler = size
    while True:
        sections = [(".flash.appdesc", base + 0x20, description), (".flash.text", code + 0x120, bytes(filler))]
        sections.append((".dram0.data", _RAM[chip], b"data"))
        image = _image(chip, sections)
        if len(image) == size:
            return image
        filler -= len(image) - size


@functools.cache
def bootloader(chip: str = "esp32", flash_size: str = "4MB") -> bytes:
    return _image(
        chip,
        [(".dram0.bootdesc", _RAM[chip], b"\x50" + bytes(79)), (".iram.text", _RAM[chip] + 0x1000, bytes(20000))],
        flash_size,
    )


@functools.cache
def combined(
    chip: str = "esp32",
    size: int = GENERIC,
    project: str = "micropython",
    table: Path = STOCK_TABLE,
    flash_size: str = "4MB",
) -> bytes:
    """What micropython.org offers as .bin."""
    return merged(chip, bootloader(chip, flash_size), encode(read_csv(table)), app(chip, size, project))


def merged(chip: str, *parts: bytes) -> bytes:
    """Bootloader, table and app, merged by esptool."""
    start = CHIP_DEFS[chip].BOOTLOADER_FLASH_OFFSET
    with contextlib.redirect_stdout(io.StringIO()):
        data: bytes | None = merge_bin(list(zip((start, 0x8000, 0x10000), parts, strict=True)), chip, target_offset=start)
    assert data is not None
    return data


def _image(chip: str, sections: list[tuple[str, int, bytes]], flash_size: str = "4MB") -> bytes:
    with contextlib.redirect_stdout(io.StringIO()):
        data: bytes | None = elf2image(_elf(chip, sections), chip, flash_size=flash_size, flash_mode="dio", flash_freq=None)
    assert data is not None
    return data


def _elf(chip: str, sections: list[tuple[str, int, bytes]]) -> bytes:
    """An ELF32 with these sections: name, address, content; the entry is the last one's address."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name, _, _ in sections) + b".shstrtab\0"
    header, at = 52, 52
    bodies, table = b"", struct.pack("<10I", *[0] * 10)
    for name, address, content in [*sections, (".shstrtab", 0, names)]:
        kind, flags = (1, 2) if address else (3, 0)
        table += struct.pack("<10I", names.index(name.encode() + b"\0"), kind, flags, address, at, len(content), 0, 0, 4, 0)
        bodies += content
        at += len(content)
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    return (
        ident
        + struct.pack(
            "<HHIIIIIHHHHHH",
            2,
            _MACHINES.get(chip, _XTENSA),
            1,
            sections[-1][1],
            0,
            at,
            0,
            header,
            0,
            0,
            40,
            len(sections) + 2,
            len(sections) + 1,
        )
        + bodies
        + table
    )
