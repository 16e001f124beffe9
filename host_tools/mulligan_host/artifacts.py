"""What a release is made of: one artifact for each plane, known by its content."""

import re
import struct
from dataclasses import dataclass

from mulligan.core import fields, semver, slot, strictjson
from mulligan.core.errors import FormatError
from mulligan_host import apps
from mulligan_host.errors import HostError

_CONFIG_SECTOR = 4096
# esp_image_header_t and esp_app_desc_t (ESP-IDF 5.x, esp_app_format.h, esp_app_desc.h): chip id at 12; from 32 on the magic, and
# at 48 the version.
_MAGIC = 0xE9
_DESCRIPTION = 0xABCD5432
_AT_VERSION = 48
# MicroPython 1.23 and later, by chip id: .mpy 6.3 of xtensawin (ESP32, S2, S3) or rv32imc (C3, C2, C6).
_MPY = {0: 0x2B06, 2: 0x2B06, 9: 0x2B06, 5: 0x2F06, 12: 0x2F06, 13: 0x2F06}


@dataclass(frozen=True)
class Part:
    """One artifact. mpy: as in mulligan.core.state.Image."""

    plane: str
    name: str
    version: str
    content: bytes
    mpy: int = 0


def recognise(content: bytes, version: str = "", mpy: int = 0) -> Part:
    """Return what ``content`` is: a model slot image, an app image, an ESP-IDF app image, or a config.

    version: for what does not name its own, or in its place; mpy: of a firmware, where that of its chip is not right.
    Raises: FormatError, HostError.
    """
    if content[:4] == slot.MAGIC:
        header = slot.parse(content, len(content))
        if header.length != len(content):
            raise FormatError(f"slot image: {len(content)} bytes, its header says {header.length}")
        if version and version != header.version:
            raise HostError(f"{header.name} is {header.version} by its slot image, not {version}")
        return Part("model", header.name, header.version, content)
    if content[8:16] == b"littlefs":
        app = apps.unpack(content)
        if version and version != app.version:
            raise HostError(f"the app is {app.version} by its image, not {version}")
        return Part("app", "app", app.version, content, app.mpy)
    if content[:1] == bytes([_MAGIC]):
        return _firmware(content, version, mpy)
    config = strictjson.loads(content)
    if not isinstance(config, dict) or len(content) > _CONFIG_SECTOR:
        raise FormatError(f"config: not a JSON object of at most {_CONFIG_SECTOR} bytes")
    if not version:
        raise HostError("a config names no version: write PATH=VERSION")
    semver.parse(version)
    return Part("config", "config", version, content)


def check_together(parts: list[Part]) -> None:
    """Raises: FormatError, HostError for parts that can't be one release: two of a name, a config that its app would refuse."""
    names = [(part.plane, part.name) for part in parts]
    if len(set(names)) != len(names):
        raise HostError(f"a release has one artifact of a name: {', '.join(name for _, name in names)}")
    for part in parts:
        fields.name(part.name)
    for app in [part for part in parts if part.plane == "app"]:
        for config in [part for part in parts if part.plane == "config"]:
            apps.unpack(app.content).check(strictjson.loads(config.content))


def _firmware(content: bytes, version: str, mpy: int) -> Part:
    if len(content) < _AT_VERSION + 32 or struct.unpack_from("<I", content, 32)[0] != _DESCRIPTION:
        raise FormatError("firmware: not an app image: a slot takes what goes to ota_0, not the combined image")
    named = content[_AT_VERSION : _AT_VERSION + 32].split(b"\0")[0].decode("utf-8", "replace")
    found = re.match(r"v?(\d+\.\d+\.\d+)$", named)
    if not version and not found:
        raise HostError(f"the firmware calls itself {named!r}, which is no version: write PATH=VERSION")
    version = version or (found[1] if found else "")
    semver.parse(version)
    chip = struct.unpack_from("<H", content, 12)[0]
    return Part("firmware", "firmware", version, content, mpy or _MPY.get(chip, 0))
