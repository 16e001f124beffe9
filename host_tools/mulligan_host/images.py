"""What kind of file somebody gives to be flashed: known by its content, never by its name.

    app image       E9, header, segments, checksum, SHA-256; an app description at its start      into ota_0
    bootloader      the same without an app description
    combined image  bootloader, table at 0x8000, app: what micropython.org offers as .bin. It begins where the chip's bootloader
                    does, so at 0x1000 for an ESP32; a dump of the flash begins at 0

Source: ESP-IDF, esp_bootloader_format and esp_app_format; MicroPython, ports/esp32/makeimg.py. esptool takes the images apart.
"""

import contextlib
import hashlib
import io
import struct
from dataclasses import dataclass

from esptool.targets import CHIP_DEFS
from esptool.util import FatalError

from mulligan.core import partitions, patch, slot
from mulligan.core.errors import FormatError
from mulligan.core.partitions import APP, Row
from mulligan_host import tables

IMAGE_MAGIC = 0xE9
_AT_FLASH_SIZE = 3  # of the header: size in the upper four bits, frequency in the lower
_AT_CHIP = 12
_AT_DIGEST = 23  # whether a SHA-256 is appended
_HEADER = 24
_DIGEST = 32
# esp_app_desc_t, at the start of the first segment: magic, secure version, 8 reserved, version, project.
_AT_DESCRIPTION = 32
_DESCRIPTION = struct.Struct("<II8x32s32s")
_DESCRIPTION_MAGIC = 0xABCD5432
_CHIPS = {cls.IMAGE_CHIP_ID: name for name, cls in CHIP_DEFS.items() if name != "esp8266"}
_SIZES = {0: 1 << 20, 1: 2 << 20, 2: 4 << 20, 3: 8 << 20, 4: 16 << 20, 5: 32 << 20, 6: 64 << 20, 7: 128 << 20}
_PLACES = (0x0000, 0x1000, 0x2000)  # of bootloaders
_FOREIGN = (
    (0, b"\x7fELF", "an ELF file, as the linker leaves it"),
    (0, b"UF2\n", "a UF2 file, for boards that show up as a drive"),
    (0, b"PK\x03\x04", "a ZIP archive: unpack it first"),
    (0, b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (0, b"DfuSe", "a DFU file, for STM32 boards"),
    (0, b":", "Intel hex"),
    (0, b"M\x06", "a .mpy, a compiled module"),
    (0, slot.MAGIC, "a slot image of Mulligan's: release it, then mulligan board push"),
    (0, patch.MAGIC, "a patch of Mulligan's: release it, then mulligan board push"),
    (0, b"<", "a web page: the download went wrong"),
    (4, b"TFL3", "a .tflite model: mulligan model pack it"),
    (8, b"littlefs", "a filesystem image"),
)


@dataclass(frozen=True)
class Image:
    """One image of a program: exactly its bytes."""

    chip: str
    """As esptool calls it."""
    data: bytes
    flash_size: int
    """Bytes of flash that its header speaks of."""
    project: str | None
    """None: it has no app description, so it is a bootloader."""
    version: str


@dataclass(frozen=True)
class Firmware:
    """A combined image, taken apart."""

    bootloader: Image
    rows: list[Row]
    app: Image


def firmware(data: bytes, name: str) -> Firmware:
    """Take the combined image ``data``, of a file called ``name``, apart, each part verified.

    Raises: FormatError naming what the file is instead, or what is wrong with it.
    """
    for before in _PLACES:
        for place in _PLACES:
            at = place - before
            if at >= 0 and data[at : at + 1] == bytes([IMAGE_MAGIC]) and _table_at(data, partitions.TABLE_OFFSET - before):
                try:
                    return _taken_apart(data, before, place)
                except FormatError as e:
                    raise FormatError(f"{name}: {e}") from None
    if data[:1] == bytes([IMAGE_MAGIC]):
        found = parse(data, name)
        if found.project is None:
            raise FormatError(f"{name}: a bootloader for {found.chip} alone; give the combined image, which has the app as well")
        raise FormatError(
            f"{name}: an app image of {found.project} {found.version} for {found.chip}, without a bootloader; "
            "give the combined image, the one that micropython.org offers first"
        )
    raise FormatError(f"{name}: {foreign(data)}; give the combined MicroPython image, a .bin from micropython.org")


def app_of(data: bytes, name: str) -> Image:
    """The app image in ``data``, which is one or a combined image. Raises: as `firmware`."""
    if data[:1] == bytes([IMAGE_MAGIC]):
        with contextlib.suppress(FormatError):
            found = parse(data, name)
            if found.project is not None:
                return found
    return firmware(data, name).app


def parse(data: bytes, name: str) -> Image:
    """The image at the start of ``data``, its checksum and SHA-256 verified. Raises: FormatError."""
    if len(data) < _HEADER or data[0] != IMAGE_MAGIC:
        raise FormatError(f"{name}: {foreign(data)}")
    (chip_id,) = struct.unpack_from("<H", data, _AT_CHIP)
    chip = _CHIPS.get(chip_id)
    if chip is None:
        raise FormatError(
            f"{name}: for an ESP8266, or a chip of number {chip_id} that esptool does not know: give one for an ESP32"
        )
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # esptool warns there
            image = CHIP_DEFS[chip].BOOTLOADER_IMAGE(io.BytesIO(data))
    except (FatalError, struct.error, TypeError, RuntimeError, ValueError):
        raise FormatError(f"{name}: truncated or damaged: download or build it again") from None
    if image.checksum != image.calculate_checksum():
        raise FormatError(f"{name}: damaged, its checksum is wrong: download or build it again")
    end = image.data_length
    if end is None:
        raise FormatError(f"{name}: an image without a SHA-256; build it with one, as ESP-IDF does")
    if image.stored_digest != image.calc_digest:
        raise FormatError(f"{name}: damaged, its SHA-256 is wrong: download or build it again")
    project, version = None, ""
    if len(data) >= _AT_DESCRIPTION + _DESCRIPTION.size:
        magic, _, version_text, project_text = _DESCRIPTION.unpack_from(data, _AT_DESCRIPTION)
        if magic == _DESCRIPTION_MAGIC:
            project, version = _text(project_text), _text(version_text)
    size = _SIZES.get(data[_AT_FLASH_SIZE] >> 4, 0)
    return Image(chip, data[: end + _DIGEST], size, project, version)


def with_flash_size(image: Image, size: int) -> Image:
    """``image`` with ``size`` bytes of flash in its header, and its SHA-256 made right again.

    Raises: FormatError for a size that no header can name.
    """
    code = next((code for code, value in _SIZES.items() if value == size), None)
    if code is None:
        raise FormatError(f"a flash of {size} bytes is not made: 1 to 128 MB, each twice the one before")
    data = bytearray(image.data[:-_DIGEST])
    data[_AT_FLASH_SIZE] = code << 4 | data[_AT_FLASH_SIZE] & 0x0F
    return Image(image.chip, bytes(data) + hashlib.sha256(data).digest(), size, image.project, image.version)


def foreign(data: bytes) -> str:
    """What a file is that is no image, as far as its first bytes tell."""
    if not data:
        return "empty"
    if not data.strip(b"\xff"):
        return "nothing but erased flash"
    if _table_at(data, 0):
        return "a partition table"
    return next((what for at, magic, what in _FOREIGN if data[at : at + len(magic)] == magic), "not a firmware image")


def _taken_apart(data: bytes, before: int, place: int) -> Firmware:
    bootloader = parse(data[place - before : partitions.TABLE_OFFSET - before], "its bootloader")
    expected = CHIP_DEFS[bootloader.chip].BOOTLOADER_FLASH_OFFSET
    if place != expected:
        raise FormatError(
            f"its bootloader is at {place:#x}, where a {bootloader.chip} does not look ({expected:#x}): download it again"
        )
    try:
        rows = tables.parse(data[partitions.TABLE_OFFSET - before :], "its partition table").rows
    except FormatError as e:
        raise FormatError(f"{e}: download it again") from None
    apps = sorted((row for row in rows if row.type == APP), key=lambda row: row.offset)
    if not apps:
        raise FormatError("its partition table has no app: give another build")
    at = apps[0].offset - before
    if len(data) <= at:
        raise FormatError(f"truncated: it ends before its app, which is at {at:#x}: download it again")
    app = parse(data[at : at + apps[0].size], "its app")
    if app.project is None:
        raise FormatError("its app has no description: it was not built with ESP-IDF 4 or newer; give a newer build")
    if app.chip != bootloader.chip:
        raise FormatError(f"its bootloader is for {bootloader.chip}, its app for {app.chip}: build it for one chip")
    return Firmware(bootloader, rows, app)


def _table_at(data: bytes, at: int) -> bool:
    return data[at : at + 2] == tables.MAGIC


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")
