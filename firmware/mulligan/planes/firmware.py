"""The firmware plane: an ESP-IDF app image for this chip. Whether it is whole, set_boot looks at; here, whether it could run."""

import struct

from ..core.errors import FormatError, Unsupported

# esp_image_header_t, then the first segment's header, then esp_app_desc_t, which an app image begins with
# (ESP-IDF 5.x, bootloader_support/include/esp_app_format.h): magic, segments, ...; chip id at 12; app description at 32.
_MAGIC = 0xE9
_MOST_SEGMENTS = 16
_DESCRIPTION = 0xABCD5432
_HEAD = 36


def check(ports, entry, image, rules, items):
    """As `planes` says. A combined image for address 0 has a bootloader here, which has no app description."""
    slots = ports[1]
    head, running = bytearray(_HEAD), bytearray(_HEAD)
    slots.inactive(entry).readinto(0, head)
    slots.active(entry).readinto(0, running)
    if head[0] != _MAGIC or not 0 < head[1] <= _MOST_SEGMENTS or struct.unpack_from("<I", head, 32)[0] != _DESCRIPTION:
        raise FormatError("firmware: not an app image: a slot takes what goes to ota_0, not the combined image")
    chips = [struct.unpack_from("<H", raw, 12)[0] for raw in (head, running)]
    if chips[0] != chips[1]:
        raise Unsupported("firmware: for chip {}, this is chip {}".format(*chips))
