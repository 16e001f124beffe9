"""The firmware plane: an ESP-IDF app image for this chip. Whether it is whole, set_boot looks at; here, whether it could run."""

import struct

from ..core.digest import digest_of
from ..core.errors import FormatError, Unsupported
from ..core.state import Image

# esp_image_header_t, then the first segment's header, then esp_app_desc_t, which an app image begins with
# (ESP-IDF 5.x, bootloader_support/include/esp_app_format.h): magic, segments, ...; chip id at 12; whether a SHA-256 is appended,
# at 23; app description at 32. A segment: address and length, 32 bits each, then so many bytes.
_MAGIC = 0xE9
_MOST_SEGMENTS = 16
_DESCRIPTION = 0xABCD5432
_HEAD = 36
_IMAGE_HEADER = 24


def check(ports, entry, image, rules, items):
    """As `planes` says. A combined image for address 0 has a bootloader here, which has no app description."""
    slots, system = ports[1], ports[3]
    head, running = bytearray(_HEAD), bytearray(_HEAD)
    slots.inactive(entry).readinto(0, head)
    slots.active(entry).readinto(0, running)
    if head[0] != _MAGIC or not 0 < head[1] <= _MOST_SEGMENTS or struct.unpack_from("<I", head, 32)[0] != _DESCRIPTION:
        raise FormatError("firmware: not an app image: a slot takes what goes to ota_0, not the combined image")
    chips = [struct.unpack_from("<H", raw, 12)[0] for raw in (head, running)]
    if chips[0] != chips[1]:
        raise Unsupported("firmware: for chip {}, this is chip {}".format(*chips))
    if entry.image is None:
        entry.image = _flashed(slots.active(entry), system)


def _flashed(region, system):
    """The Image of the firmware that runs, and that no release brought: known from now on, so that there is a way back to it."""
    head, at = bytearray(_IMAGE_HEADER), _IMAGE_HEADER
    region.readinto(0, head)
    segment = bytearray(8)
    for _ in range(head[1]):
        region.readinto(at, segment)
        at += 8 + struct.unpack_from("<I", segment, 4)[0]
    # Its checksum is the last byte of the 16 that it ends in; a SHA-256 may follow.
    length = at // 16 * 16 + 16 + (32 if head[_IMAGE_HEADER - 1] else 0)
    digest = digest_of(region, length)
    while True:
        try:
            next(digest)
            system.feed()
        except StopIteration as done:
            return Image(length, 0, system.versions["firmware"], done.value, {}, system.mpy)
