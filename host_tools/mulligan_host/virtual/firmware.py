"""Virtual firmware: a valid ESP32 app image whose payload says how the virtual board behaves while it runs.

The image is made and taken apart by esptool, as for the chip: an app description at the start of the first segment, which is
flash-mapped, and a data segment that holds the payload as JSON. No instructions are in it: the chip would not run it.
"""

import io
import json
import struct
from dataclasses import asdict, dataclass
from typing import Literal

from esptool.bin_image import ELFSection, ESP32FirmwareImage
from esptool.util import FatalError

from mulligan.core.errors import FormatError

PROJECT = "mulligan-virtual"
_ENTRY = 0x40080000  # IRAM, where an ESP32 app's entry point is
_DROM = 0x3F400020  # flash-mapped data: file offset 0x20, and the same offset within its 64 KiB page
_DRAM = 0x3FFB0000
_PAGE = 0x10000
_DIO = 2
_4MB_40MHZ = 0x20
_CHIP_ID = 0  # ESP32
# esp_app_desc_t, ESP-IDF 5.x esp_app_format/include/esp_app_desc.h: magic, secure version, 8 reserved, version, project, time,
# date, IDF version, ELF SHA-256, the rest (eFuse revisions, MMU page size, reserved) zero; 256 bytes.
_APP_DESC = struct.Struct("<II8x32s32s16s16s32s32s80x")
_APP_DESC_MAGIC = 0xABCD5432


@dataclass(frozen=True)
class Firmware:
    """What the payload says."""

    version: str
    mpy: int
    """``sys.implementation._mpy`` of the MicroPython that it is."""
    behaviour: Literal["run", "hang", "crash"] = "run"
    """``hang`` and ``crash`` before boot.py."""
    rollback: bool = True
    """False: built without app rollback. set_boot leaves UNDEFINED, and confirm is not supported."""
    load: bool = True
    """False: the image is valid, so that set_boot takes it, and the bootloader still can not load it."""
    package: bool = True
    """Whether Mulligan is frozen in."""


def build(firmware: Firmware) -> bytes:
    """Return the app image of ``firmware``, byte for byte the same each time.

    Raises: FormatError if a field has a value that ``inspect`` would refuse.
    """
    _checked(asdict(firmware))
    description = _APP_DESC.pack(_APP_DESC_MAGIC, 0, firmware.version.encode(), PROJECT.encode(), b"", b"", b"virtual", bytes(32))
    payload = json.dumps(asdict(firmware), separators=(",", ":")).encode()
    padded = payload + b" " * (-len(payload) % 4)
    image = ESP32FirmwareImage()
    image.entrypoint = _ENTRY
    image.flash_mode = _DIO
    image.flash_size_freq = _4MB_40MHZ
    image.segments = [ELFSection(b".flash.appdesc", _DROM, description, 0), ELFSection(b".dram0.data", _DRAM, padded, 0)]
    saved: bytes = image.save(None)
    return saved


def bootloader() -> bytes:
    """Return an image that stands where a bootloader is looked for; the virtual board brings its own."""
    image = ESP32FirmwareImage()
    image.entrypoint = _ENTRY
    image.flash_mode = _DIO
    image.flash_size_freq = _4MB_40MHZ
    image.segments = [ELFSection(b".dram0.bootdesc", _DRAM, bytes(256), 0)]
    saved: bytes = image.save(None)
    return saved


def inspect(data: bytes) -> Firmware:
    """Verify the image at the start of ``data`` (a slot's content) as ESP-IDF's esp_image_verify does; return what it says.

    Checked are magic, chip, segment bounds and mapping, checksum and SHA-256. Raises: FormatError.
    """
    image = _parsed(data)
    if image.checksum != image.calculate_checksum():
        raise FormatError("app image: wrong checksum")
    if not image.append_digest:
        raise FormatError("app image: no SHA-256 appended")
    if image.stored_digest != image.calc_digest:
        raise FormatError("app image: wrong SHA-256")
    try:
        description = _APP_DESC.unpack(image.segments[0].data[: _APP_DESC.size])
        payload = json.loads(image.segments[1].data)
    except (struct.error, IndexError, ValueError):
        raise FormatError("app image: not a virtual firmware") from None
    if description[0] != _APP_DESC_MAGIC or description[3].rstrip(b"\0") != PROJECT.encode():
        raise FormatError("app image: not a virtual firmware; the virtual board has no Xtensa core")
    return _checked(payload)


def _parsed(data: bytes) -> ESP32FirmwareImage:
    try:
        image = ESP32FirmwareImage(io.BytesIO(data))
    except FatalError as e:
        raise FormatError(f"app image: {e}") from None
    except (struct.error, TypeError, RuntimeError):
        # What esptool's parser lets through of a header, a segment header or a checksum that ends too early.
        raise FormatError("app image: truncated or damaged header") from None
    if image.chip_id != _CHIP_ID:
        raise FormatError(f"app image: for chip {image.chip_id}, not for an ESP32")
    for segment in image.segments:
        data_offset = segment.file_offs + image.SEG_HEADER_LEN
        if image.is_flash_addr(segment.addr) and segment.addr % _PAGE != data_offset % _PAGE:
            raise FormatError(f"app image: segment for {segment.addr:#x} is not where it could be mapped")
    return image


def _checked(payload: object) -> Firmware:
    kinds = {"version": str, "mpy": int, "behaviour": str, "rollback": bool, "load": bool, "package": bool}
    if not isinstance(payload, dict) or payload.keys() != kinds.keys():
        raise FormatError(f"virtual firmware: the payload has {', '.join(kinds)}, and nothing else")
    for name, kind in kinds.items():
        if type(payload[name]) is not kind:
            raise FormatError(f"virtual firmware: {name} is not of type {kind.__name__}")
    if payload["behaviour"] not in ("run", "hang", "crash"):
        raise FormatError(f"virtual firmware: behaviour {payload['behaviour']!r}: use run, hang or crash")
    if not 0 < len(payload["version"].encode()) <= 31:
        raise FormatError("virtual firmware: a version has 1 to 31 bytes")
    return Firmware(**payload)
